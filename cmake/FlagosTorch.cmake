# Which PyTorch libtorch_fl is compiled for, when the build was started by pip: the one of the Python that pip runs in.
# `make build` names it by FLAGOS_TORCH_DIRS. It is found without importing it.
function(flagos_find_torch)
  if(NOT SKBUILD OR FLAGOS_TORCH_DIRS)
    return()
  endif()
  find_package(Python REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
            "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '', end='')"
    OUTPUT_VARIABLE torch_dir COMMAND_ERROR_IS_FATAL ANY)
  if(NOT torch_dir)
    message(FATAL_ERROR "flagos is compiled against the PyTorch that will run it, and an isolated build does not see "
                        "that one: install torch first and run `pip install --no-build-isolation .`")
  endif()
  set(FLAGOS_TORCH_DIRS ${torch_dir} PARENT_SCOPE)
endfunction()
