// libflagos.so is made of the rooms alone; CMake wants one source of its own.
