#define FL_RANDOM_KERNELS kV3Kernels
#define FL_RANDOM_PATH_NAME "x86-64-v3"
#include "random/elementwise_kernels.h"
