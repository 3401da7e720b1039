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
  int32_t stream_bytes; /* what code that does little but move memory moves at a time; 0: whole strips */
  int64_t cache_bytes;  /* the last cache: a launch that writes more than half of it writes past it; 0: never */
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
  uint32_t reserved;
  uint64_t distance;  /* added to every address before it is followed: for a device whose memory the processor sees
                         elsewhere (the simulated accelerator); 0 for the host */
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

/* What was decided and why, for the kernel's author: the loop nests, what was fused into each, which accesses are
 * contiguous, strided or gathered, which masks bound a loop, which blocks are kept in scratch. Lines are the text's. */
FL_EXPORT fl_status fl_compiler_explain(const fl_compiler_program* program, fl_text_sink sink, void* context);

/* ---- Compiled kernels: object code with what its launch needs, immutable ---- */
typedef struct fl_compiled fl_compiled;

/* `object` is what an LLVM made of the program's llvm_ir; `producer` names that LLVM ("triton 3.6.0"). Both are copied.
 */
FL_EXPORT fl_status fl_compiled_make(const fl_compiler_program* program, const void* object, uint64_t size,
                                     const char* producer, fl_compiled** compiled);
FL_EXPORT void fl_compiled_release(fl_compiled* compiled); /* NULL is allowed */

/* As bytes, and back. FL_INVALID_ARGUMENT for bytes that are torn, changed, or of another version of this library. */
FL_EXPORT fl_status fl_compiled_write(const fl_compiled* compiled, fl_text_sink sink, void* context);
FL_EXPORT fl_status fl_compiled_read(const void* bytes, uint64_t size, fl_compiled** compiled);

typedef struct fl_compiled_info {
  size_t struct_size;
  const char* symbol; /* these live as long as the kernel */
  const char* producer;
  const char* ttir; /* 0-terminated: the text that it was compiled from */
  uint64_t ttir_size;
  const void* object;
  uint64_t object_size;
  uint64_t scratch_bytes; /* as in fl_compiler_program_info */
  uint32_t launch_flags;
  uint32_t argument_count;
  uint64_t stride_arguments;
} fl_compiled_info;
FL_EXPORT fl_status fl_compiled_get_info(const fl_compiled* compiled, fl_compiled_info* info);
FL_EXPORT fl_status fl_compiled_argument(const fl_compiled* compiled, uint32_t index, uint32_t* kind, uint32_t* size);

/* ---- The cache of compiled kernels: one file a kernel below a folder, found without Python or an LLVM ----
 * The key is the text, the options, this library's version and the CPU that it compiles for. Any number of threads and
 * processes may read and write at once: a file is written beside its place and renamed into it. `folder` NULL takes
 * TRITON_CACHE_DIR, else .triton/cache in the home folder; files lie in its subfolder "flagos". */

/* FL_ABSENT when there is no entry, or one that is torn or changed: the next store replaces it. `options` may be NULL.
 */
FL_EXPORT fl_status fl_cache_find(const char* folder, const char* ttir, uint64_t size,
                                  const fl_compiler_options* options, fl_compiled** compiled);
/* FL_INTERNAL with the reason when the file cannot be written; nothing else is affected. */
FL_EXPORT fl_status fl_cache_store(const char* folder, const fl_compiled* compiled);

/* tl.device_assert: FL_INTERNAL with the assertion's text when one has failed in a kernel of this process since the
 * last call, on any thread; FL_OK at next to no cost otherwise. A program whose assertion fails ends there, and so do
 * those that its thread had not begun; what others wrote stays. Ask when the launch is done. */
FL_EXPORT fl_status fl_compiler_failed_assertion(void);

/* This library's version as the cache knows it: it changes with every build whose code differs. */
FL_EXPORT const char* fl_compiler_version(void);

/* A fl_symbol_resolver for compiled kernels: what tl.device_print and tl.device_assert call, and the functions of the C
 * library and libm; 0 for others.
 */
FL_EXPORT uint64_t fl_compiler_resolve(void* context, const char* name);

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_COMPILER_H_ */
