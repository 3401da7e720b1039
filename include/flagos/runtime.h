/* Devices, memory, streams, events, copies and kernels, over whatever drivers this machine has.
 *
 * `flagos:N` is a dense index over (driver, ordinal): the drivers in the order of FLAGOS_DRIVER, or every accelerator
 * found, and the host driver only when there is none or when it is named. FL_HOST stands for host memory in copies.
 * The runtime keeps no current device and no current stream: every call names them. */
#ifndef FLAGOS_RUNTIME_H_
#define FLAGOS_RUNTIME_H_

#include "flagos/base.h"
#include "flagos/hal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FL_HOST (-1)

typedef struct fl_stream fl_stream; /* lives as long as the process */
typedef struct fl_event fl_event;
typedef struct fl_kernel fl_kernel; /* reference counted */

/* ---- Devices ---- */
typedef struct fl_device_info {
  size_t struct_size;
  fl_hal_device_info hal;
  const char* driver; /* "host" */
  const char* driver_version;
  int32_t driver_index;  /* dense, in the order of the devices; what routing.h calls `driver` */
  int32_t ordinal;       /* the driver's own number of the device */
  uint32_t capabilities; /* FL_CAP_* */
} fl_device_info;
/* Finds drivers and devices at the first call. 0 with FL_OK when nothing usable was found. A FLAGOS_DRIVER that names a
 * driver which is unknown, absent or broken is FL_INVALID_ARGUMENT / FL_ABSENT / the driver's status, each time. */
FL_EXPORT fl_status fl_device_count(int32_t* count);
FL_EXPORT fl_status fl_device_get_info(int32_t device, fl_device_info* info);
FL_EXPORT fl_status fl_device_synchronize(int32_t device);
/* An optional group of the device's driver ("peer/1"), or NULL. For tests and drivers' companions ("sim/1"). */
FL_EXPORT const void* fl_device_group(int32_t device, const char* name);
/* FL_OK while the device can be used by this process; after fork, with a driver without FL_CAP_FORK_SAFE, the error
 * that every other call then returns. */
FL_EXPORT fl_status fl_device_usable(int32_t device);
/* True once this process has opened the device (an allocation, stream or event exists on it). Never blocks. */
FL_EXPORT int32_t fl_device_opened(int32_t device);

typedef struct fl_driver_report {
  size_t struct_size;
  const char* name;
  const char* version; /* NULL when not present */
  const char* origin;  /* "linked in" or the library's path */
  fl_status status;    /* FL_OK, FL_ABSENT, or what it failed with */
  const char* reason;  /* why not, "" when present */
  int32_t devices;
  int32_t selected; /* its devices are flagos devices */
} fl_driver_report;
FL_EXPORT fl_status fl_driver_count(int32_t* count);
FL_EXPORT fl_status fl_driver_at(int32_t index, fl_driver_report* report);
/* The index-th vendor that conf files may name though this build has no driver for it, and one sentence why; 0 past the
 * last. Looks at no device. The texts live as long as the process. */
FL_EXPORT int32_t fl_absent_vendor(int32_t index, const char** name, const char** why);

/* ---- Streams. Id 0 is the device's default stream; others come from a pool of 32 a device and priority ---- */
FL_EXPORT fl_status fl_stream_default(int32_t device, fl_stream** stream);
FL_EXPORT fl_status fl_stream_from_pool(int32_t device, int32_t priority, fl_stream** stream);
FL_EXPORT fl_status fl_stream_from_id(int32_t device, int64_t id,
                                      fl_stream** stream); /* FL_INVALID_ARGUMENT if unknown */
FL_EXPORT int64_t fl_stream_id(const fl_stream* stream);
FL_EXPORT int32_t fl_stream_device(const fl_stream* stream);
FL_EXPORT int32_t fl_stream_priority(const fl_stream* stream);
FL_EXPORT fl_status fl_stream_query(fl_stream* stream);
FL_EXPORT fl_status fl_stream_synchronize(fl_stream* stream);
FL_EXPORT fl_status fl_stream_wait(fl_stream* stream, fl_event* event);
FL_EXPORT fl_status fl_stream_native(fl_stream* stream, void** native);
/* Calls the function when the stream gets there; it must not call the runtime. */
FL_EXPORT fl_status fl_stream_host_function(fl_stream* stream, void (*function)(void* context), void* context);

/* ---- Events ---- */
FL_EXPORT fl_status fl_event_create(int32_t device, int32_t timing, fl_event** event);
FL_EXPORT void fl_event_destroy(fl_event* event); /* never fails; the text of a driver's failure is logged */
FL_EXPORT fl_status fl_event_record(fl_event* event, fl_stream* stream);
FL_EXPORT fl_status fl_event_query(fl_event* event);
FL_EXPORT fl_status fl_event_synchronize(fl_event* event);
FL_EXPORT fl_status fl_event_elapsed(fl_event* start, fl_event* stop, double* milliseconds);

/* ---- Device memory: a caching allocator a device ----
 * A block belongs to the stream that it was allocated for and is reused in that stream's order without waiting. Other
 * streams that use it are told by fl_block_record_stream; the block is then reused only after events of theirs. */
typedef struct fl_block {
  fl_addr address; /* a multiple of the device's alignment, at least 64 */
  uint64_t size;   /* bytes that may be used: at least what was asked for */
  int32_t device;
  int32_t reserved;
} fl_block; /* made and destroyed by the runtime only */
/* FL_OUT_OF_MEMORY comes after the cache was given back and one retry; its text has the numbers. size 0 is allowed. */
FL_EXPORT fl_status fl_block_allocate(fl_stream* stream, uint64_t size, fl_block** block);
FL_EXPORT void fl_block_release(fl_block* block); /* any thread, also at exit; never fails; NULL is allowed */
FL_EXPORT fl_status fl_block_record_stream(fl_block* block, fl_stream* stream);
/* The block that holds the address, also in its middle: its base, size and device by value. FL_INVALID_ARGUMENT if
 * none. */
FL_EXPORT fl_status fl_block_find(fl_addr address, fl_block* found);

typedef struct fl_stat {
  int64_t current, peak, allocated, freed;
} fl_stat;
enum { FL_STAT_ALL = 0, FL_STAT_SMALL = 1, FL_STAT_LARGE = 2 }; /* pools: blocks up to 1 MiB, above */
typedef struct fl_memory_stats {
  size_t struct_size;
  fl_stat allocation[3], segment[3], active[3], inactive_split[3]; /* counts */
  fl_stat allocated_bytes[3], reserved_bytes[3], active_bytes[3], inactive_split_bytes[3], requested_bytes[3];
  int64_t retries, out_of_memory, synchronisations, driver_allocations, driver_releases;
  int64_t max_split_size;
} fl_memory_stats;
FL_EXPORT fl_status fl_memory_get_stats(int32_t device, fl_memory_stats* stats);
FL_EXPORT fl_status fl_memory_reset_peak(int32_t device);
FL_EXPORT fl_status fl_memory_reset_accumulated(int32_t device);
FL_EXPORT fl_status fl_memory_trim(int32_t device); /* gives cached segments back to the driver */
FL_EXPORT fl_status fl_memory_info(int32_t device, uint64_t* free_bytes, uint64_t* total_bytes);
FL_EXPORT fl_status fl_memory_set_fraction(int32_t device, double fraction); /* of total memory, (0, 1] */
FL_EXPORT fl_status fl_memory_get_fraction(int32_t device, double* fraction);
/* One JSON array of segments with their blocks: address, size, stream, state. */
FL_EXPORT fl_status fl_memory_snapshot(int32_t device, fl_text_sink sink, void* context);

/* ---- Pinned host memory, cached ---- */
FL_EXPORT fl_status fl_pinned_allocate(uint64_t size, void** pointer); /* aligned to 64; size 0 gives NULL */
FL_EXPORT void fl_pinned_release(void* pointer);
FL_EXPORT int32_t fl_pinned_contains(const void* pointer); /* true for any address inside a live pinned block */
FL_EXPORT fl_status fl_pinned_record_stream(const void* pointer, fl_stream* stream);
FL_EXPORT fl_status fl_pinned_trim(void);
typedef struct fl_pinned_stats {
  size_t struct_size;
  fl_stat allocation, segment, allocated_bytes, reserved_bytes;
} fl_pinned_stats;
FL_EXPORT fl_status fl_pinned_get_stats(fl_pinned_stats* stats);
FL_EXPORT fl_status fl_pinned_reset_peak(void);
FL_EXPORT fl_status fl_pinned_reset_accumulated(void);

/* ---- Copies and fills ----
 * Ranges of one memory must not overlap. A copy runs in order of both streams: the side that is a device has its
 * stream, the side that is FL_HOST has NULL. Between two devices it waits for what src_stream holds now, and src_stream
 * waits for the copy; between drivers it goes through pinned memory. Without FL_COPY_ASYNC the call returns when the
 * data has arrived; with it, and pinned host memory, at once. */
enum { FL_COPY_ASYNC = 1u << 0 };
typedef struct fl_copy_side {
  uint64_t address; /* a host pointer or a fl_addr */
  int32_t device;   /* or FL_HOST */
  fl_stream* stream;
} fl_copy_side;
FL_EXPORT fl_status fl_copy(const fl_copy_side* dst, const fl_copy_side* src, uint64_t size, uint32_t flags);
FL_EXPORT fl_status fl_fill(fl_stream* stream, fl_addr dst, const void* pattern, uint32_t pattern_size, uint64_t count);

/* ---- Kernels ---- */
typedef struct fl_kernel_image {
  size_t struct_size;
  const char* kind; /* as in hal.h, module/1 */
  const void* data;
  uint64_t size;
  const char* module; /* a name for profilers and debuggers */
  const char* function;
  fl_symbol_resolver resolver; /* may be NULL */
  void* resolver_context;
} fl_kernel_image;
FL_EXPORT fl_status fl_kernel_load(int32_t device, const fl_kernel_image* image,
                                   fl_kernel** kernel); /* one reference */
FL_EXPORT void fl_kernel_retain(fl_kernel* kernel);
FL_EXPORT void fl_kernel_release(fl_kernel* kernel); /* unloads with the last one, once no stream runs it any more */
/* The stream must be of the kernel's device. Returns at once on asynchronous drivers. No lock, no allocation. */
FL_EXPORT fl_status fl_launch(fl_kernel* kernel, const fl_launch_config* config, const fl_arg* args, uint32_t arg_count,
                              fl_stream* stream);
/* How many kernels this thread has launched: whoever may still choose another way to do a thing compares it before and
 * after. */
FL_EXPORT uint64_t fl_launch_count(void);

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_RUNTIME_H_ */
