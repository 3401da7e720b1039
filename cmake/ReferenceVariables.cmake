# The build variables of the reference plugin, accepted so that its build lines work here. Nothing is chosen by them: every
# driver compiles on every machine and opens its vendor's library at run time, and kernels are routed at run time.
set(reference_variables
  "ACCELERATOR|every driver is built, FLAGOS_DRIVER chooses at run time"
  "CUDA_HOME|no CUDA toolkit is needed to build, the driver opens the installed library at run time"
  "CUDA_KERNEL|no CUDA kernels are compiled here, route operators to 'cuda' to use PyTorch's own"
  "METAX_PATH|no MACA SDK is needed to build, the driver opens the installed library at run time"
  "METAX_ARCH|no device code is compiled at build time"
  "METAX_MXCC|no device code is compiled at build time"
  "METAX_KERNEL|no device code is compiled at build time, route operators to 'metax'"
  "ASCEND_HOME|no CANN toolkit is needed to build, the driver opens the installed library at run time"
  "ASCEND_KERNEL|no device code is compiled at build time, route operators to 'ascend'"
  "FLAGGEMS_DIR|FlagGems' C++ library is not used, its Python package serves the targets flagos and flagos_python"
  "FLAGGEMS_KERNEL|routes to 'flagos' are chosen in backends.conf at run time"
  "FLAGGEMS_PYTHON|routes to 'flagos_python' are chosen in backends.conf at run time")
foreach(entry IN LISTS reference_variables)
  string(REPLACE "|" ";" entry "${entry}")
  list(POP_FRONT entry name)
  if(DEFINED ENV{${name}})
    message(STATUS "${name}='$ENV{${name}}' is accepted and changes nothing: ${entry}.")
  endif()
endforeach()
