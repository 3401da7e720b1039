/* Triton's tile IR (TTIR) to LLVM IR, and compiled kernels on disk.
 *
 * The path of a kernel: text of TTIR, as stock Triton prints it without locations, goes to fl_compiler_compile, which
 * answers with the text of an LLVM module; whoever has an LLVM makes a relocatable object of it; fl_kernel_load and
 * fl_launch (runtime.h) run it. With an entry of the cache the first two steps fall away, and with them Python.
 * Everything here is thread-safe; nothing blocks but on files. */
#ifndef FLAGOS_COMPILER_H_
#define FLAGOS_COMPILER_H_

#include "flagos/base.h"
#include "flagos/hal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What this host's kernels are compiled for; FLAGOS_CPU_TARGET lowers it. The texts live as long as the process. */
typedef struct fl_compiler_target {
  size_t struct_size;
  const char* triple;   /* "x86_64-unknown-linux-gnu" */
  const char* cpu;      /* LLVM's name: "x86-64-v4" */
  const char* features; /* LLVM's list, "+avx512vnni"; may be "" */
  int32_t lanes;        /* elements of a strip */
} fl_compiler_target;
FL_EXPORT fl_status fl_compiler_host_target(fl_compiler_target* target); /* caller sets target->struct_size */

/* A target by name, to compile for a machine that need not be this one: x86-64-v3, x86-64-v4, znver4, sapphirerapids.
 * FL_INVALID_ARGUMENT for other names. */
FL_EXPORT fl_status fl_compiler_named_target(const char* name, fl_compiler_target* target);

typedef struct fl_compiler_constant {
  uint32_t argument; /* counted from 0 */
  uint32_t reserved;
  int64_t value;
} fl_compiler_constant;

typedef struct fl_compiler_options {
  size_t struct_size;
  const fl_compiler_constant* constants; /* integer arguments fixed to a value: strides of one, mostly */
  uint32_t constant_count;
  const char* target; /* a name for fl_compiler_named_target; NULL: this host */
} fl_compiler_options;

typedef struct fl_compiler_program fl_compiler_program;

/* FL_INVALID_ARGUMENT: the text is not valid TTIR; FL_UNSUPPORTED: it cannot be lowered. Either text begins with
 * "line L, column C:" of the given text and names the operation. `options` may be NULL. */
FL_EXPORT fl_status fl_compiler_compile(const char* ttir, uint64_t size, const fl_compiler_options* options,
                                        fl_compiler_program** program);
FL_EXPORT void fl_compiler_release(fl_compiler_program* program); /* NULL is allowed */

typedef struct fl_compiler_program_info {
  size_t struct_size;
  const char* symbol;  /* the function of type fl_host_kernel in the object */
  const char* llvm_ir; /* 0-terminated; lives as long as the program */
  uint64_t llvm_ir_size;
  uint64_t scratch_bytes;    /* fl_launch_config.shared_bytes */
  uint32_t launch_flags;     /* fl_launch_config.flags */
  uint32_t argument_count;   /* all of the kernel's, those fixed by constants too: their values are not read */
  uint64_t stride_arguments; /* bit i: argument i multiplies positions; a variant in which it is fixed to 1 is faster */
} fl_compiler_program_info;
FL_EXPORT fl_status fl_compiler_get_info(const fl_compiler_program* program, fl_compiler_program_info* info);

/* Kind and size of an argument as fl_arg wants them. */
FL_EXPORT fl_status fl_compiler_argument(const fl_compiler_program* program, uint32_t index, uint32_t* kind,
                                         uint32_t* size);

/* The tile IR as it was understood. */
FL_EXPORT fl_status fl_compiler_print(const fl_compiler_program* program, fl_text_sink sink, void* context);

/* A fl_symbol_resolver for compiled kernels: the functions of the C library and libm that they may call; 0 for others.
 */
FL_EXPORT uint64_t fl_compiler_resolve(void* context, const char* name);

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_COMPILER_H_ */
