# A fuzzer: flagos_fuzz(<name> SOURCES ... DEPENDS <rooms> SEEDS <folder>). Its source defines LLVMFuzzerTestOneInput.
# With clang it is a libFuzzer program; else tests/fuzz/fuzz_main.cc mutates the seeds, the same way for the same
# -seed. Both take -runs=N -seed=S FOLDER. CTest runs a short slice (label "fuzz"); `make fuzz` runs a million inputs.
function(flagos_fuzz name)
  cmake_parse_arguments(FUZZ "" "SEEDS" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${FUZZ_SOURCES})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_main.cc)
  endif()
  target_compile_options(${name} PRIVATE -Wall -Wextra -Werror)
  target_link_libraries(${name} PRIVATE ${FUZZ_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  set_property(GLOBAL APPEND PROPERTY FLAGOS_FUZZERS ${name})
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  file(CREATE_LINK ${FUZZ_SEEDS} ${CMAKE_BINARY_DIR}/fuzz/${name}.seeds SYMBOLIC)
  add_test(NAME ${name} COMMAND ${name} -runs=10000 -seed=1 ${FUZZ_SEEDS})
  set_tests_properties(${name} PROPERTIES LABELS fuzz)
endfunction()

# The target "fuzzers": all that were declared.
function(flagos_fuzz_all)
  get_property(fuzzers GLOBAL PROPERTY FLAGOS_FUZZERS)
  add_custom_target(fuzzers DEPENDS ${fuzzers})
endfunction()
