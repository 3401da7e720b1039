/* A complete driver in one file: a "chip" whose memory is a window of address space and whose work is done at once.
 *
 * It shows the smallest thing that keeps the whole contract of flagos/hal.h, and the trick for vendors whose API hands
 * out buffer objects instead of addresses: the device's addresses are a window reserved at first use, and every address
 * is resolved to (buffer, offset) before anything is done with it. Here a buffer is a malloc of its own; put the
 * vendor's buffer object in its place. docs/drivers.md is the guide. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flagos/hal.h"

#define MEMORY ((uint64_t)256 << 20) /* bytes of device memory */
#define WINDOW ((fl_addr)1 << 44)    /* where its addresses begin: numbers, never followed by the host */
#define ALIGNMENT 64u

/* ---- Errors: a status and a text of the calling thread ---- */

static _Thread_local char t_error[256];

static fl_status fail(fl_status status, const char* format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(t_error, sizeof(t_error), format, args);
  va_end(args);
  return status;
}
static const char* last_error(void) { return t_error; }

static fl_status check_device(int32_t device) {
  return device == 0 ? FL_OK
                     : fail(FL_INVALID_ARGUMENT, "minimal: there is no device %d; there is device 0 alone.", device);
}
#define CHECK(call)                       \
  do {                                    \
    const fl_status status_ = (call);     \
    if (status_ != FL_OK) return status_; \
  } while (0)

/* ---- Handles: numbers of streams and events, so that a stale one is an error. Work is done when the call returns: a
 * stream is always idle, the point of an event has always passed, and there is nothing more to know about either. ----
 */

enum { STREAMS, EVENTS, KINDS, HANDLES = 4096 };
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static char g_alive[KINDS][HANDLES];

/* 0, which is no handle, when there is no room: NULL stands for the default stream and for no event. */
static uintptr_t create(int kind) {
  uintptr_t handle = 1;
  pthread_mutex_lock(&g_lock);
  while (handle < HANDLES && g_alive[kind][handle]) ++handle;
  if (handle < HANDLES) g_alive[kind][handle] = 1;
  pthread_mutex_unlock(&g_lock);
  if (handle < HANDLES) return handle;
  return fail(FL_OUT_OF_MEMORY, "minimal: %d streams or events are alive already.", HANDLES - 1), 0;
}

/* FL_OK when the handle is alive; `after` says whether it still is afterwards. */
static fl_status use(int kind, const void* object, char after) {
  const uintptr_t handle = (uintptr_t)object;
  pthread_mutex_lock(&g_lock);
  const int alive = handle < HANDLES && g_alive[kind][handle];
  if (alive) g_alive[kind][handle] = after;
  pthread_mutex_unlock(&g_lock);
  return alive ? FL_OK : fail(FL_INVALID_ARGUMENT, "minimal: there is no such stream or event, or it was destroyed.");
}

static fl_status check_stream(int32_t device, fl_hal_stream stream) {
  CHECK(check_device(device));
  return stream ? use(STREAMS, stream, 1) : FL_OK;
}

static fl_status check_event(int32_t device, fl_hal_event event) {
  CHECK(check_device(device));
  return use(EVENTS, event, 1);
}

/* ---- Devices ---- */

static fl_status device_count(int32_t* count) {
  *count = 1;
  return FL_OK;
}

static fl_status device_info(int32_t device, fl_hal_device_info* info) {
  CHECK(check_device(device));
  /* Write no more than the caller has. */
  fl_hal_device_info all = {info->struct_size, "Minimal example", "none", MEMORY, 1, ALIGNMENT};
  memcpy(info, &all, info->struct_size < sizeof(all) ? info->struct_size : sizeof(all));
  return FL_OK;
}

/* ---- Memory ---- */

typedef struct block { /* a buffer of the device, or pinned host memory */
  struct block* next;
  uint64_t address, size; /* in the window; of pinned memory the host's own */
  char* bytes;            /* the vendor's buffer object */
} block;
static block *g_buffers, *g_pinned;
static uint64_t g_used;

/* Address -> (buffer, offset), as a pointer; NULL when the range is not inside one buffer. */
static char* resolve(fl_addr address, uint64_t size) {
  char* found = NULL;
  pthread_mutex_lock(&g_lock);
  for (const block* b = g_buffers; b && !found; b = b->next) {
    const uint64_t offset = address - b->address;
    if (offset < b->size && size <= b->size - offset) found = b->bytes + offset;
  }
  pthread_mutex_unlock(&g_lock);
  return found;
}

/* Addresses in the window are never used again: it has 2^44 of them. Pinned blocks have the host's. */
static fl_status take(block** list, uint64_t size, uint64_t* address) {
  static fl_addr next = WINDOW;
  if (size == 0) return fail(FL_INVALID_ARGUMENT, "minimal: a block of 0 bytes.");
  void* bytes = NULL;
  block* b = size <= MEMORY ? malloc(sizeof(*b)) : NULL;
  pthread_mutex_lock(&g_lock);
  const int room = b && size <= MEMORY - g_used && posix_memalign(&bytes, ALIGNMENT, size) == 0;
  if (room) {
    *address = list == &g_pinned ? (uintptr_t)bytes : next;
    *b = (block){*list, *address, size, bytes};
    *list = b;
    g_used += size;
    next += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
  pthread_mutex_unlock(&g_lock);
  if (room) return FL_OK;
  free(b);
  return fail(FL_OUT_OF_MEMORY, "minimal: no room for %llu bytes.", (unsigned long long)size);
}

static fl_status give_back(block** at, uint64_t address) {
  pthread_mutex_lock(&g_lock);
  while (*at && (*at)->address != address) at = &(*at)->next;
  block* b = *at;
  if (b) *at = b->next, g_used -= b->size;
  pthread_mutex_unlock(&g_lock);
  if (!b) return fail(FL_INVALID_ARGUMENT, "minimal: no block begins at 0x%llx.", (unsigned long long)address);
  free(b->bytes);
  free(b);
  return FL_OK;
}

static fl_status allocate(int32_t device, uint64_t size, fl_addr* address) {
  CHECK(check_device(device));
  return take(&g_buffers, size, address);
}
static fl_status release(int32_t device, fl_addr address) {
  CHECK(check_device(device));
  return give_back(&g_buffers, address);
}
static fl_status memory_info(int32_t device, uint64_t* free_bytes, uint64_t* total_bytes) {
  CHECK(check_device(device));
  pthread_mutex_lock(&g_lock);
  *free_bytes = MEMORY - g_used;
  pthread_mutex_unlock(&g_lock);
  *total_bytes = MEMORY;
  return FL_OK;
}
static fl_status host_allocate(uint64_t size, void** pointer) {
  uint64_t address = 0;
  CHECK(take(&g_pinned, size, &address));
  *pointer = (void*)(uintptr_t)address;
  return FL_OK;
}
static fl_status host_release(void* pointer) { return give_back(&g_pinned, (uintptr_t)pointer); }

/* ---- Copies and fills ---- */

static fl_status copy(int32_t device, fl_hal_stream stream, fl_copy_kind kind, uint64_t dst, uint64_t src,
                      uint64_t size) {
  CHECK(check_stream(device, stream));
  if ((unsigned)kind > FL_COPY_ON_DEVICE)
    return fail(FL_INVALID_ARGUMENT, "minimal: copy of an unknown kind %d.", (int)kind);
  if (size == 0) return FL_OK;
  char* to = kind == FL_COPY_DEVICE_TO_HOST ? (char*)(uintptr_t)dst : resolve(dst, size);
  if (!to)
    return fail(FL_INVALID_ARGUMENT, "minimal: copy to 0x%llx, where there is no memory.", (unsigned long long)dst);
  const char* from = kind == FL_COPY_HOST_TO_DEVICE ? (const char*)(uintptr_t)src : resolve(src, size);
  if (!from)
    return fail(FL_INVALID_ARGUMENT, "minimal: copy from 0x%llx, where there is no memory.", (unsigned long long)src);
  memcpy(to, from, size);
  return FL_OK;
}

static fl_status fill(int32_t device, fl_hal_stream stream, fl_addr dst, const void* pattern, uint32_t pattern_size,
                      uint64_t count) {
  CHECK(check_stream(device, stream));
  if (pattern_size == 0 || pattern_size > 16 || (pattern_size & (pattern_size - 1)))
    return fail(FL_INVALID_ARGUMENT, "minimal: fill with a pattern of %u bytes.", pattern_size);
  if (count == 0) return FL_OK;
  char* to = count <= MEMORY ? resolve(dst, count * pattern_size) : NULL;
  if (!to)
    return fail(FL_INVALID_ARGUMENT, "minimal: fill at 0x%llx, where there is no memory.", (unsigned long long)dst);
  for (uint64_t i = 0; i < count; ++i) memcpy(to + i * pattern_size, pattern, pattern_size);
  return FL_OK;
}

/* ---- Streams and events ---- */

static fl_status stream_create(int32_t device, int32_t priority, fl_hal_stream* stream) {
  (void)priority; /* taken and ignored: no FL_CAP_PRIORITIES */
  CHECK(check_device(device));
  return (*stream = (fl_hal_stream)create(STREAMS)) ? FL_OK : FL_OUT_OF_MEMORY;
}
static fl_status stream_destroy(int32_t device, fl_hal_stream stream) {
  CHECK(check_device(device));
  return use(STREAMS, stream, 0);
}
static fl_status stream_wait(int32_t device, fl_hal_stream stream, fl_hal_event event) {
  CHECK(check_stream(device, stream));
  return check_event(device, event);
}
static fl_status stream_native(int32_t device, fl_hal_stream stream, void** native) {
  CHECK(check_stream(device, stream));
  *native = stream;
  return FL_OK;
}

static fl_status event_create(int32_t device, int32_t timing, fl_hal_event* event) {
  (void)timing; /* no FL_CAP_EVENT_TIMING: nobody asks for it */
  CHECK(check_device(device));
  return (*event = (fl_hal_event)create(EVENTS)) ? FL_OK : FL_OUT_OF_MEMORY;
}
static fl_status event_destroy(int32_t device, fl_hal_event event) {
  CHECK(check_device(device));
  return use(EVENTS, event, 0);
}
static fl_status event_record(int32_t device, fl_hal_event event, fl_hal_stream stream) {
  return stream_wait(device, stream, event); /* both exist: the point has passed already */
}
static fl_status event_elapsed(int32_t device, fl_hal_event start, fl_hal_event stop, double* milliseconds) {
  (void)device, (void)start, (void)stop, (void)milliseconds;
  return fail(FL_UNSUPPORTED, "minimal: events have no time.");
}

/* ---- The table and the one symbol ---- */

static const void* group(const char* name) {
  (void)name; /* every optional group has something that the runtime does without it */
  return NULL;
}

static const fl_driver kDriver = {
    .struct_size = sizeof(fl_driver),
    .abi_version = FL_HAL_VERSION,
    .capabilities = 0,
    .name = "minimal",
    .version = "1.0",
    .last_error = last_error,
    .group = group,
    .device_count = device_count,
    .device_info = device_info,
    .device_synchronize = check_device,
    .allocate = allocate,
    .release = release,
    .memory_info = memory_info,
    .copy = copy,
    .fill = fill,
    .stream_create = stream_create,
    .stream_destroy = stream_destroy,
    .stream_query = check_stream,
    .stream_synchronize = check_stream,
    .stream_wait = stream_wait,
    .stream_native = stream_native,
    .event_create = event_create,
    .event_destroy = event_destroy,
    .event_record = event_record,
    .event_query = check_event,
    .event_synchronize = check_event,
    .event_elapsed = event_elapsed,
    .host_allocate = host_allocate,
    .host_release = host_release, /* host_register: NULL, it cannot pin */
};

FL_EXPORT fl_status fl_driver_entry(const fl_driver_host* host, const fl_driver** driver, char* why, size_t why_size) {
  *driver = &kDriver;
  if (host->abi_version >> 16 == FL_HAL_MAJOR) return FL_OK;
  snprintf(why, why_size, "this driver needs a core of version %u, not %u", FL_HAL_MAJOR, host->abi_version >> 16);
  return FL_UNSUPPORTED;
}
