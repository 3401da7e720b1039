/* Errors, text sinks, the environment table, the logger and the thread pool seam of the core. */
#ifndef FLAGOS_BASE_H_
#define FLAGOS_BASE_H_

#include "flagos/hal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "2.13.0"-like version of this library. */
FL_EXPORT const char* fl_version(void);

/* The text of the calling thread's last failure: what was tried, on which device and driver, the driver's own text and
 * one thing to do. Never NULL. */
FL_EXPORT const char* fl_last_error(void);

typedef void (*fl_text_sink)(void* context, const char* text, size_t size);

/* ---- Environment: the one table of FLAGOS_* variables ---- */
typedef struct fl_env_info {
  size_t struct_size;
  const char* name;    /* "FLAGOS_STRICT"; a family ends in '*': "FLAGOS_OP_*" */
  const char* type;    /* "flag", "int", "bytes", "path", "word", "list", "text" */
  const char* values;  /* the words allowed, "a|b|c", or NULL */
  const char* initial; /* the default, as text; "" when there is none */
  const char* help;    /* one sentence */
  const char* value;   /* what is in force now, NULL when unset */
} fl_env_info;
FL_EXPORT int32_t fl_env_count(void);
FL_EXPORT fl_status fl_env_at(int32_t index, fl_env_info* info);
/* The value in force (the default when unset, or NULL when there is neither). FL_INVALID_ARGUMENT for a name that is
 * not declared, and for a value in the environment that its type refuses. Read once a process, at first use. */
FL_EXPORT fl_status fl_env_get(const char* name, const char** value);

/* ---- Logger: one line a record to stderr, "flagos WARNING: ..."; FLAGOS_LOG_LEVEL chooses what is shown ---- */
enum { FL_LOG_ERROR = 0, FL_LOG_WARNING = 1, FL_LOG_INFO = 2, FL_LOG_DEBUG = 3 };
FL_EXPORT void fl_log(int32_t level, const char* text);
typedef void (*fl_log_sink)(void* context, int32_t level, const char* text);
/* Sends records elsewhere (Python's logging, a test); NULL restores stderr. The sink must not log. */
FL_EXPORT void fl_set_log_sink(fl_log_sink sink, void* context);

/* ---- Thread pool: one a process. Programs without PyTorch use the built-in one; the plugin installs PyTorch's. ----
 */
typedef void (*fl_range_body)(void* context, int64_t first, int64_t last);
typedef struct fl_thread_pool {
  size_t struct_size;
  /* As fl_driver_host.parallel_for. Nested calls run on the calling thread. */
  void (*parallel_for)(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context);
  int32_t (*thread_count)(void);
} fl_thread_pool;
/* `pool` must live as long as the process. NULL restores the built-in one. */
FL_EXPORT void fl_set_thread_pool(const fl_thread_pool* pool);
FL_EXPORT void fl_parallel_for(int64_t begin, int64_t end, int64_t grain, fl_range_body body, void* context);
FL_EXPORT int32_t fl_thread_count(void);

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_BASE_H_ */
