#define FL_RANDOM_KERNELS kV4Kernels
#define FL_RANDOM_PATH_NAME "x86-64-v4"
#include "random/elementwise_kernels.h"
