# A room is a folder below src/ and one static target of the same name ("drivers/host" -> drivers_host). Its headers are
# included as "<room>/<header>.h", and only rooms named in DEPENDS are on the include path: a wrong include does not
# compile. Every room sees the public headers below include/.
function(flagos_room path)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPENDS" ${ARGN})
  string(REPLACE "/" "_" name ${path})
  set(view ${CMAKE_BINARY_DIR}/rooms/${name})
  get_filename_component(parent ${view}/${path} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${path} ${view}/${path} SYMBOLIC)

  add_library(${name} STATIC ${ROOM_SOURCES})
  target_include_directories(${name} PUBLIC ${view} ${CMAKE_SOURCE_DIR}/include)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wconversion -Werror)
  target_link_libraries(${name} PUBLIC ${ROOM_DEPENDS} Threads::Threads ${CMAKE_DL_LIBS})
  set_property(GLOBAL APPEND PROPERTY FLAGOS_ROOMS ${name})
endfunction()

# libflagos.so: every room declared so far, exporting fl_* alone.
function(flagos_core_library)
  get_property(rooms GLOBAL PROPERTY FLAGOS_ROOMS)
  set(script ${CMAKE_SOURCE_DIR}/cmake/exports.map)
  # The objects themselves: rooms name each other, and an archive taken whole twice defines everything twice.
  list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
  add_library(flagos SHARED ${CMAKE_SOURCE_DIR}/cmake/empty.cc ${objects})
  target_include_directories(flagos PUBLIC ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(flagos PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  target_link_options(flagos PRIVATE -Wl,--version-script=${script} -Wl,-z,defs -Wl,--build-id
                      -Wl,-z,nodelete) # its threads and fork handlers outlive any dlclose
  set_target_properties(flagos PROPERTIES LINK_DEPENDS ${script})
  install(TARGETS flagos LIBRARY DESTINATION torch_fl/lib)
endfunction()

# A GoogleTest program for a room: tests/<path>/*_test.cc. It links the rooms themselves, not libflagos.so, so that it can
# test what is not exported.
function(flagos_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Werror)
  target_link_libraries(${name} PRIVATE ${TEST_DEPENDS} GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  # ThreadSanitizer ends a forked child that starts a thread unless told otherwise; such children are tested here.
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "TSAN_OPTIONS=die_after_fork=0")
endfunction()
