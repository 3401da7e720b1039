#define FL_RANDOM_KERNELS kGenericKernels
#define FL_RANDOM_PATH_NAME "generic"
#include "random/elementwise_kernels.h"
