/* The driver table: what a chip's driver gives to flagos.
 *
 * A driver is one shared library (or one linked-in object) with one exported symbol, `fl_driver_entry`. The entry
 * returns a table of functions; everything else about the chip stays behind it. docs/drivers.md is the guide.
 *
 * Rules that hold for every function of every table
 *  - C ABI. No exception crosses. A failure is a status; its text is what `last_error()` returns next on that thread.
 *  - Thread-safe: any thread may call any function at any time, with any device.
 *  - The device is an argument (0 <= device < device_count). A driver keeps no current device and no current stream.
 *  - A handle that the driver made is released by the driver's own release function, at most once.
 *  - Handles of one device are used with that device only.
 *
 * Versions: `struct_size` is the first member of every table and is set by whoever fills it to sizeof of the struct it
 * was compiled with; members are only ever appended, and a reader uses a member only when struct_size covers it. The
 * major half of the ABI version changes when a rule or an existing member changes; such a driver is refused.
 *
 * Device memory is a range of 64-bit addresses. Arithmetic inside an allocation must be meaningful to copy, fill and
 * launch: a driver whose API hands out buffer objects reserves a window of address space, gives out ranges of it and
 * resolves an address to (buffer, offset) itself. Only FL_CAP_HOST_ACCESS allows the host to dereference an address. */
#ifndef FLAGOS_HAL_H_
#define FLAGOS_HAL_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FL_EXPORT __attribute__((visibility("default")))

#define FL_HAL_MAJOR 1u
#define FL_HAL_MINOR 0u
#define FL_HAL_VERSION ((FL_HAL_MAJOR << 16) | FL_HAL_MINOR)

/* In C++ of a fixed type, so that a number outside of the list, which a foreign driver may return, can be read and
 * refused. */
#ifdef __cplusplus
#define FL_ENUM(name) enum name : int
#else
#define FL_ENUM(name) enum name
#endif
typedef FL_ENUM(fl_status){
    FL_OK = 0,
    FL_NOT_READY = 1,        /* a query: the work is still running; not an error */
    FL_OUT_OF_MEMORY = 2,    /* the device or the host has no room; nothing was changed */
    FL_INVALID_ARGUMENT = 3, /* the caller's mistake; nothing was changed */
    FL_UNSUPPORTED = 4,      /* this driver or device cannot do it */
    FL_DEVICE_LOST = 5,      /* the device answers no more; memory contents are gone */
    FL_ABSENT = 6,           /* the vendor's library, or every device, is missing */
    FL_INTERNAL = 7          /* anything else; the text says what */
} fl_status;

typedef uint64_t fl_addr; /* an address in a device's memory; 0 is never a valid one */

typedef struct fl_hal_stream_s* fl_hal_stream; /* NULL names the device's default stream, which always exists */
typedef struct fl_hal_event_s* fl_hal_event;
typedef struct fl_hal_module_s* fl_hal_module;
typedef struct fl_hal_function_s* fl_hal_function;

/* Capability bits of fl_driver.capabilities. A bit that is not set is a promise not made: the runtime then does what
 * stands behind the dash. */
enum {
  FL_CAP_HOST_ACCESS = 1u << 0,  /* the host may read and write device memory directly - else it copies */
  FL_CAP_ASYNC = 1u << 1,        /* work on a stream may run after the call returned - else streams are always idle */
  FL_CAP_EVENT_TIMING = 1u << 2, /* event_elapsed works - else timing events are refused */
  FL_CAP_FORK_SAFE = 1u << 3,    /* devices go on working in a forked child - else the child gets one clear error */
  FL_CAP_PRIORITIES = 1u << 4    /* stream priorities differ - else every priority is taken and ignored */
};

typedef struct fl_hal_device_info {
  size_t struct_size;
  char name[128];           /* as a person knows the chip: "Intel Xeon 8488C", "Simulated accelerator" */
  char arch[64];            /* what a compiler needs: "x86-64-v4", "sm_90" */
  uint64_t total_memory;    /* bytes */
  uint32_t multiprocessors; /* independent units that run programs of a grid; cores on a CPU */
  uint32_t alignment;       /* every allocation starts at a multiple of this; bytes, a power of two, 64 or more */
} fl_hal_device_info;

typedef enum fl_copy_kind {
  FL_COPY_HOST_TO_DEVICE = 0, /* src is a host pointer */
  FL_COPY_DEVICE_TO_HOST = 1, /* dst is a host pointer */
  FL_COPY_ON_DEVICE = 2       /* both are addresses of this device; the ranges do not overlap */
} fl_copy_kind;

/* What the core offers to a driver. Valid for the life of the process. */
typedef struct fl_driver_host {
  size_t struct_size;
  uint32_t abi_version; /* FL_HAL_VERSION of the core */
  uint32_t reserved;
  /* The value of a declared environment variable ("FLAGOS_HOST_DEVICES") or NULL when it is not declared or has no
   * value. Drivers read no variable themselves. The text lives as long as the process. */
  const char* (*option)(const char* name);
  /* level: 0 error, 1 warning, 2 info, 3 debug. Never blocks for long; any thread. */
  void (*log)(int32_t level, const char* text);
  /* Splits [begin, end) into ranges of at least `grain` and calls body on the process's one thread pool, the caller
   * included; returns when all of it is done. `body` must not throw. */
  void (*parallel_for)(int64_t begin, int64_t end, int64_t grain,
                       void (*body)(void* context, int64_t first, int64_t last), void* context);
} fl_driver_host;

typedef struct fl_driver {
  size_t struct_size;
  uint32_t abi_version; /* FL_HAL_VERSION that the driver was compiled with */
  uint32_t capabilities;
  const char* name;    /* the word in FLAGOS_DRIVER and in [sections] of a conf file; [a-z0-9_]+ */
  const char* version; /* of the vendor's library or of the driver; for people */

  /* The text of the last failed call on the calling thread, never NULL; valid until that thread's next call. */
  const char* (*last_error)(void);

  /* An optional group by name, "module/1"; NULL when the driver has none of it. The table lives as long as the process.
   */
  const void* (*group)(const char* name);

  /* Devices. */
  fl_status (*device_count)(int32_t* count); /* >= 1: a driver without a device answers FL_ABSENT at its entry */
  fl_status (*device_info)(int32_t device, fl_hal_device_info* info); /* caller sets info->struct_size */
  fl_status (*device_synchronize)(int32_t device);                    /* blocks until every stream is idle */

  /* Memory. `allocate` takes size > 0, may block, and synchronises nothing. Memory is uninitialised. `release` may be
   * called only when no stream uses the range any more; the runtime sees to that. */
  fl_status (*allocate)(int32_t device, uint64_t size, fl_addr* address);
  fl_status (*release)(int32_t device, fl_addr address);
  fl_status (*memory_info)(int32_t device, uint64_t* free_bytes, uint64_t* total_bytes);

  /* Copies and fills, in stream order. Host memory from host_allocate is "pinned": a copy with it returns at once and
   * the host range must stay untouched until the stream has passed it. With any other host memory the call returns
   * when the host range may be reused (to device) or holds the data (to host). size 0 is allowed and does nothing. */
  fl_status (*copy)(int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src, uint64_t size);
  /* Writes `count` times the `pattern_size` bytes (1, 2, 4, 8 or 16) at pattern, read before the call returns. */
  fl_status (*fill)(int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
                    uint64_t count);

  /* Streams: work in one stream runs in order; different streams are ordered by events only. Lower number = more
   * urgent, 0 is normal. Destroying a stream waits for its work. */
  fl_status (*stream_create)(int32_t device, int32_t priority, fl_hal_stream* stream);
  fl_status (*stream_destroy)(int32_t device, fl_hal_stream stream);
  fl_status (*stream_query)(int32_t device, fl_hal_stream stream); /* FL_OK idle, FL_NOT_READY busy; never blocks */
  fl_status (*stream_synchronize)(int32_t device, fl_hal_stream stream);
  fl_status (*stream_wait)(int32_t device, fl_hal_stream stream, fl_hal_event event); /* returns at once */
  fl_status (*stream_native)(int32_t device, fl_hal_stream stream, void** native);    /* the vendor's own handle */

  /* Events. One that was never recorded counts as complete. Recording again replaces the earlier point; a wait that
   * was already enqueued keeps the point it saw. */
  fl_status (*event_create)(int32_t device, int32_t timing, fl_hal_event* event);
  fl_status (*event_destroy)(int32_t device, fl_hal_event event); /* at any time, also while it is pending */
  fl_status (*event_record)(int32_t device, fl_hal_event event, fl_hal_stream stream);
  fl_status (*event_query)(int32_t device, fl_hal_event event); /* FL_OK or FL_NOT_READY */
  fl_status (*event_synchronize)(int32_t device, fl_hal_event event);
  /* FL_NOT_READY before both points have passed. */
  fl_status (*event_elapsed)(int32_t device, fl_hal_event start, fl_hal_event stop, double* milliseconds);

  /* Host memory that copies fast and asynchronously (page-locked where that means something). Shared by all devices
   * of the driver. Aligned to 64 bytes. `release` may be called only when no copy uses the memory any more. */
  fl_status (*host_allocate)(uint64_t size, void** pointer);
  fl_status (*host_release)(void* pointer);
  /* Makes the user's own range behave like that, and ends it. NULL: the runtime copies through its own buffers. */
  fl_status (*host_register)(void* pointer, uint64_t size);
  fl_status (*host_unregister)(void* pointer);
} fl_driver;

/* The one symbol of a driver library. Returns
 *   FL_OK and *driver, valid for the life of the process;
 *   FL_ABSENT and a reason in `why` (at most why_size bytes with the final 0): the vendor's library or device is
 *     missing. This is normal and quiet: other drivers are not affected;
 *   any other status and a reason in `why`: the driver is broken; reported by `flagos doctor`.
 * Called once a process, before any other function of the library. It must refuse host->abi_version with another
 * major number by FL_UNSUPPORTED. It must not create threads or contexts before device_count is called. */
typedef fl_status (*fl_driver_entry_fn)(const fl_driver_host* host, const fl_driver** driver, char* why,
                                        size_t why_size);
#define FL_DRIVER_ENTRY_SYMBOL "fl_driver_entry"

/* ---- Optional groups: each with what the runtime does when a driver has none ---- */

/* "module/1": compiled kernels. It is the only way a kernel starts, on the host too.
 * Without it: operators of compiled kernels are not offered on this driver; routes fall to other targets.
 *
 * An image is bytes of a named kind:
 *   "elf-x86_64"  a relocatable object; its functions have the type fl_host_kernel below
 *   "cubin", "ptx", "spirv", "hsaco", ...  as the vendor's loader takes them
 *   "builtin"     the driver's own kernels, no bytes; the simulated accelerator has fill, axpy and gate */
typedef struct fl_arg {
  uint32_t kind;    /* FL_ARG_ADDRESS or FL_ARG_BYTES */
  uint32_t size;    /* bytes at `data`; 8 for an address */
  const void* data; /* where the value lies: a fl_addr, or the bytes of a scalar. Read before launch returns. */
} fl_arg;
enum { FL_ARG_ADDRESS = 0, FL_ARG_BYTES = 1 };

typedef struct fl_launch_config {
  size_t struct_size;
  uint32_t grid[3];      /* programs along x, y, z; any 0 means nothing to do, which is FL_OK */
  uint32_t block[3];     /* threads a program, where the image's kind has threads; else {1, 1, 1} */
  uint32_t shared_bytes; /* fast memory a program; on a CPU the scratch that each thread of the pool gets */
  uint32_t grain;        /* on a CPU: the least number of programs worth a thread; 0 = the driver decides */
  uint32_t flags;        /* FL_LAUNCH_ORDERED */
} fl_launch_config;
/* Programs may wait for lower program ids: they are started in ascending order and each start implies that all lower
 * ones have started, so that the lowest unfinished one always makes progress. */
enum { FL_LAUNCH_ORDERED = 1u << 0 };

/* A kernel in an "elf-x86_64" image runs the programs [first, last) of the grid, counted x fastest:
 *   id = x + grid[0] * (y + grid[1] * z).
 * args[i] points at the i-th argument's value (for an address: at the 8 bytes of the address). `scratch` has
 * shared_bytes bytes, 64-byte aligned, uninitialised, this thread's own for the call; NULL when shared_bytes is 0. */
typedef void (*fl_host_kernel)(const void* const* args, const uint32_t* grid, uint64_t first, uint64_t last,
                               void* scratch);

/* Resolves a symbol that an image leaves open (a vector math library, memcpy); 0 when unknown, which fails the load. */
typedef uint64_t (*fl_symbol_resolver)(void* context, const char* name);

typedef struct fl_hal_module1 {
  size_t struct_size;
  const char* const* image_kinds; /* NULL-terminated */
  /* The image is copied: it may go after the call. `name` is for profilers and debuggers. */
  fl_status (*load)(int32_t device, const char* kind, const char* name, const void* image, uint64_t size,
                    fl_symbol_resolver resolver, void* resolver_context, fl_hal_module* module);
  fl_status (*unload)(int32_t device, fl_hal_module module); /* only when none of its kernels runs any more */
  fl_status (*function)(int32_t device, fl_hal_module module, const char* name, fl_hal_function* function);
  fl_status (*launch)(int32_t device, fl_hal_stream stream, fl_hal_function function, const fl_launch_config* config,
                      const fl_arg* args, uint32_t arg_count);
} fl_hal_module1;

/* "hostfunc/1": calls a host function when the stream reaches it. The function must not call the driver.
 * Without it: the runtime synchronises the stream and calls the function on the caller's thread. */
typedef struct fl_hal_hostfunc1 {
  size_t struct_size;
  fl_status (*enqueue)(int32_t device, fl_hal_stream stream, void (*function)(void* context), void* context);
} fl_hal_hostfunc1;

/* "signal/1": the stream waits until the 64-bit value at host address `where` is >= value, or stores value there.
 * `where` is memory of host_allocate. Without it: collectives use events and host threads. */
typedef struct fl_hal_signal1 {
  size_t struct_size;
  fl_status (*wait)(int32_t device, fl_hal_stream stream, const uint64_t* where, uint64_t value);
  fl_status (*write)(int32_t device, fl_hal_stream stream, uint64_t* where, uint64_t value);
} fl_hal_signal1;

/* "peer/1": copies between two devices of this driver, in order of `stream`, which belongs to `device`; the runtime
 * orders it against the other device by events. Without it: staged through pinned host memory. */
typedef struct fl_hal_peer1 {
  size_t struct_size;
  fl_status (*copy)(int32_t device, fl_hal_stream stream, int32_t dst_device, fl_addr dst, int32_t src_device,
                    fl_addr src, uint64_t size);
} fl_hal_peer1;

/* Names kept for groups that come with their first user: "ipc/1", "graph/1", "trace/1". */

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_HAL_H_ */
