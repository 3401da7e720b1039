// Python compiles a kernel and ends; a C++ program finds it in the cache and launches it through the C ABI alone.
#include <Python.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "flagos/compiler.h"
#include "flagos/flagos.h"

namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Starts the interpreter as the executable of the virtual environment would be, runs the script, ends it.
void run_python(const fs::path& script) {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  ASSERT_FALSE(PyStatus_Exception(PyConfig_SetBytesString(&config, &config.program_name, FLAGOS_PYTHON)));
  ASSERT_FALSE(PyStatus_Exception(Py_InitializeFromConfig(&config)));
  PyConfig_Clear(&config);
  // Triton reads a kernel's source from its file, so the script is imported.
  const std::string program = "import sys\nsys.path.insert(0, '" + script.parent_path().string() + "')\nimport " +
                              script.stem().string() + "\n";
  EXPECT_EQ(PyRun_SimpleString(program.c_str()), 0);
  EXPECT_EQ(Py_FinalizeEx(), 0);
  ASSERT_FALSE(Py_IsInitialized());
}

TEST(AfterPython, a_cached_kernel_is_launched) {
  const fs::path folder = fs::temp_directory_path() / ("flagos-after-python-" + std::to_string(getpid()));
  fs::create_directories(folder);
  ASSERT_EQ(setenv("TRITON_CACHE_DIR", folder.c_str(), 1), 0);
  run_python(fs::path(FLAGOS_SCRIPTS) / "cached_kernel.py");

  const std::string tile_ir = contents(folder / "axpy.tile");
  ASSERT_FALSE(tile_ir.empty());
  fl_compiled* compiled = nullptr;
  ASSERT_EQ(fl_cache_find(nullptr, tile_ir.data(), tile_ir.size(), nullptr, &compiled), FL_OK) << fl_last_error();
  fl_compiled_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(fl_compiled_get_info(compiled, &info), FL_OK);
  EXPECT_STREQ(info.symbol, "axpy_kernel");
  ASSERT_EQ(info.argument_count, 5u);

  fl_kernel_image image{};
  image.struct_size = sizeof image;
  image.kind = "elf-x86_64";
  image.data = info.object;
  image.size = info.object_size;
  image.module = image.function = info.symbol;
  image.resolver = fl_compiler_resolve;
  fl_kernel* kernel = nullptr;
  ASSERT_EQ(fl_kernel_load(0, &image, &kernel), FL_OK) << fl_last_error();
  fl_stream* stream = nullptr;
  ASSERT_EQ(fl_stream_default(0, &stream), FL_OK);

  constexpr int32_t kCount = 1000;
  std::vector<float> x(kCount);
  std::vector<float> y(kCount);
  std::vector<float> out(kCount + 1, -1.0f);
  for (int32_t i = 0; i < kCount; ++i) {
    x[static_cast<size_t>(i)] = static_cast<float>(i);
    y[static_cast<size_t>(i)] = static_cast<float>(7 * i % 13);
  }
  const uint64_t addresses[3] = {reinterpret_cast<uint64_t>(x.data()), reinterpret_cast<uint64_t>(y.data()),
                                 reinterpret_cast<uint64_t>(out.data())};
  const float alpha = -0.5f;
  const void* const values[5] = {&addresses[0], &addresses[1], &addresses[2], &alpha, &kCount};
  fl_arg arguments[5];
  for (uint32_t i = 0; i < 5; ++i) {
    ASSERT_EQ(fl_compiled_argument(compiled, i, &arguments[i].kind, &arguments[i].size), FL_OK);
    arguments[i].data = values[i];
  }
  fl_launch_config config{};
  config.struct_size = sizeof config;
  config.grid[0] = 4;
  config.grid[1] = config.grid[2] = 1;
  config.block[0] = config.block[1] = config.block[2] = 1;
  config.shared_bytes = static_cast<uint32_t>(info.scratch_bytes);
  config.flags = info.launch_flags;
  ASSERT_EQ(fl_launch(kernel, &config, arguments, 5, stream), FL_OK) << fl_last_error();
  ASSERT_EQ(fl_stream_synchronize(stream), FL_OK);

  for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(out[i], alpha * x[i] + y[i]) << i;
  EXPECT_EQ(out[kCount], -1.0f);
  fl_kernel_release(kernel);
  fl_compiled_release(compiled);
  fs::remove_all(folder);
}

}  // namespace
