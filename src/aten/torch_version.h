// What differs between the PyTorch minors that the plugin is built for: one place, so that no other file asks.
#pragma once

#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else
#include <torch/csrc/api/include/torch/version.h>
#endif

// Structured kernels passed tensor names along until 2.11.
#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 12
#define FLAGOS_NAMES_PARAMETER , at::DimnameList names
#define FLAGOS_NAMES_ARGUMENT , names
#else
#define FLAGOS_NAMES_PARAMETER
#define FLAGOS_NAMES_ARGUMENT
#endif
