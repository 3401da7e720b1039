/* Routing: which kernels serve an operator on a driver, and why.
 *
 * Vocabulary
 *   operator  an overload as the conf file writes it: "add.Tensor", "mm", "mm.out"
 *   target    a supplier of kernels: "cpu", "flagos", "flagos_python", "cuda", or a name that the user registered
 *   chain     the targets of an operator on a driver, tried left to right
 *   route     the chain compiled into one immutable record; a slot points at the route in force
 *
 * The adapter (aten/) declares operators and targets, owns the calls and runs them; this room decides. An adapter's
 * call costs one acquire load of a slot and one indirect call. Routes are never freed, so a pointer that was read stays
 * good.
 *
 * fl_route.run and the functions behind it may unwind with a C++ exception of the adapter's: libflagos.so lets it pass
 * through (counters stay right). This is the one exception to the rule of flagos.h. */
#ifndef FLAGOS_ROUTING_H_
#define FLAGOS_ROUTING_H_

#include "flagos/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fl_route fl_route;

/* What happened to a call. A target declines before it has begun any work and says why by fl_route_decline. */
typedef enum fl_outcome { FL_ROUTE_DONE = 0, FL_ROUTE_DECLINED = 1 } fl_outcome;

/* `call` is the adapter's own; the core hands it on untouched. `target_data` is what the target was declared with. */
typedef fl_outcome (*fl_target_run)(void* target_data, void* call);

struct fl_route {
  /* Runs the call on this route: the single target's own function when nothing else is to be done. Returns
   * FL_ROUTE_DONE; a call that no target serves ends in the adapter's `raise`. */
  fl_outcome (*run)(const fl_route* route, void* call);
  void* head;             /* target_data of the first target, for `run` */
  fl_target_run head_run; /* the first target's function */
  /* The adapter may compare this with the id of a target that it can run without boxing the call; -1 whenever anything
   * else than a plain run of that one target is asked for (several candidates, a wrapper, a trait mask). A target that
   * may decline is run through `run`. */
  int32_t plain_target;
};

/* One slot an (operator, driver); the address is stable. Read by: __atomic_load_n(&slot->route, __ATOMIC_ACQUIRE). */
typedef struct fl_route_slot {
  const fl_route* route;
} fl_route_slot;

/* ---- Traits: one 64-bit word a call. A target serves a call when (traits & ~mask) == 0. ---- */
#define FL_TRAIT_DTYPE(code) (1ull << (code)) /* codes 0..31: the adapter's list, named by fl_routing_name_trait */
enum {
  FL_TRAIT_NONCONTIGUOUS = 32, /* bit numbers */
  FL_TRAIT_GRAD = 33,
  FL_TRAIT_CPU_OPERAND = 34,
  FL_TRAIT_ZERO_DIM = 35,
  FL_TRAIT_EMPTY = 36,
  FL_TRAIT_CONJ_OR_NEG = 37,
  FL_TRAIT_NOT_STRIDED = 38,
  FL_TRAIT_SYMBOLIC = 39
};

/* ---- What the adapter declares: drivers, targets and operators, before it asks for the first slot ---- */
/* The driver index of runtime.h and its name. Index -1: a driver that is known but has no devices here, so that a conf
 * file may have a section for it; names in fl_target_info.drivers are known too. Again with the same name and index
 * does nothing. */
FL_EXPORT fl_status fl_routing_declare_driver(int32_t driver, const char* name);

typedef struct fl_target_info {
  size_t struct_size;
  const char* name;    /* "flagos_python" */
  const char* aliases; /* comma-separated other spellings, or NULL */
  const char* drivers; /* comma-separated drivers it can serve; NULL = all */
  const char* absent;  /* why it cannot run here, one sentence ending in what to do; NULL = it can */
  uint64_t mask;       /* traits it serves; ~0 = all */
  fl_target_run run;   /* NULL when absent */
  void* data;
  /* NULL or: may this target serve the operator at all on this driver? Writes the reason when not. Asked without a lock
   * of routing's, once for each operator and driver until the target is declared again or fl_routing_reset. */
  int32_t (*serves)(void* data, const char* op, const char* driver, char* why, size_t why_size);
} fl_target_info;
/* Again with the same name replaces the earlier one (a target that has become present) and rebuilds its routes. */
FL_EXPORT fl_status fl_routing_declare_target(const fl_target_info* info, int32_t* target);

typedef struct fl_operator_info {
  size_t struct_size;
  const char* name;    /* "add.Tensor"; again with the same name replaces `initial` and gives the same number */
  const char* initial; /* chain for drivers that name none, "cpu" */
  /* NULL: the adapter has a kernel for the operator, which asks for its slot. Otherwise the operator works without one
   * (it is composed of others), and the adapter makes one when a rule wants it: called on a thread that asked something
   * of routing, without a lock of routing's, when the rules in force let the operator begin with another target than
   * `initial` does on some driver. Declaring the operator again with NULL says that the kernel has been made. */
  void (*needed)(const char* name);
} fl_operator_info;
FL_EXPORT fl_status fl_routing_declare_operator(const fl_operator_info* info, int32_t* op);
/* The slot of an operator on a driver index of runtime.h. Builds the route at first need. Setup errors (an unreadable
 * conf, an unknown target) are returned here with file and line. A chain of which no target can ever serve the operator
 * is a route that fails each call with FL_UNSUPPORTED and the reasons. */
FL_EXPORT fl_status fl_routing_slot(int32_t op, int32_t driver, fl_route_slot** slot);

/* What the core asks of the adapter; none may be NULL. All may be called from any thread that runs calls. */
typedef struct fl_routing_adapter {
  size_t struct_size;
  uint64_t (*traits)(void* call);
  void (*describe)(void* call, fl_text_sink sink, void* context); /* "float32[2, 3], float32[3]" */
  /* A stable number for (dtypes, layout, sizes class) under which a failed compile is remembered. */
  uint64_t (*signature)(void* call);
  /* Runs the call on `target` and again on the reference "cpu" with copies of the inputs, compares, returns the call's
   * own result. Fills `report` (one sentence) and returns 1 when they differ. */
  int32_t (*shadow)(void* call, fl_target_run run, void* target_data, fl_target_run reference, void* reference_data,
                    fl_text_sink report, void* context, fl_outcome* outcome);
  /* Must not return: turns a status of routing (fl_last_error has the text) into the adapter's exception. */
  void (*raise)(fl_status status);
} fl_routing_adapter;
FL_EXPORT void fl_routing_set_adapter(const fl_routing_adapter* adapter);
FL_EXPORT void fl_routing_name_trait(int32_t bit, const char* name);
/* A target says why it declines the call; the text is kept for explain() and the error. `remember` marks the
 * (operator, signature) as not servable by that target from now on. */
FL_EXPORT void fl_route_decline(const char* why, int32_t remember);

/* ---- Choosing ----
 * Priority: API > FLAGOS_OP_<name> > file of FLAGOS_BACKEND_CONFIG > the driver's shipped file. Within each: exact
 * overload > base name > glob; within a class the last line wins. */
/* `pattern` is an overload, base name or glob; `chain` is "flagos, cpu"; `driver` NULL = all. Unknown words are
 * FL_INVALID_ARGUMENT with a suggestion. */
FL_EXPORT fl_status fl_routing_override(const char* pattern, const char* chain, const char* driver, int32_t* handle);
FL_EXPORT fl_status fl_routing_remove_override(int32_t handle);
/* Reads environment and conf files now instead of when the first slot is asked for. Its errors are those of
 * fl_routing_slot. Does nothing when they have been read. */
FL_EXPORT fl_status fl_routing_prepare(void);
/* Forgets the API's overrides and what was remembered as not servable, and reads environment and files again. */
FL_EXPORT fl_status fl_routing_reset(void);
/* Where shipped conf files lie and relative paths are looked up last; set once by the plugin before first use. */
FL_EXPORT fl_status fl_routing_set_shipped_folder(const char* folder);

/* ---- Telling: each emits one JSON document ---- */
/* What would run for a call with these traits, and why each earlier candidate would not; each with "file", "line". */
FL_EXPORT fl_status fl_routing_explain(const char* op, const char* driver, uint64_t traits, fl_text_sink sink,
                                       void* context);
FL_EXPORT fl_status fl_routing_table(const char* driver, fl_text_sink sink,
                                     void* context); /* every operator with a kernel */
FL_EXPORT fl_status fl_routing_targets(fl_text_sink sink, void* context);
FL_EXPORT fl_status fl_routing_conf(fl_text_sink sink, void* context); /* files in force, in order, with their lines */

/* ---- Wrappers and the ledger ---- */
enum {
  FL_TRACE_COUNT = 1u << 0, /* calls and host time for each (operator, driver, target) */
  FL_TRACE_LOG = 1u << 1,   /* one log line a call: FLAGOS_LOG_DISPATCH */
  FL_TRACE_SHADOW = 1u << 2 /* FLAGOS_SHADOW=cpu */
};
FL_EXPORT fl_status fl_routing_set_trace(uint32_t bits); /* swaps the wrappers in or out, for all routes */
FL_EXPORT uint32_t fl_routing_get_trace(void);
/* The target that runs now on this thread adds bytes that it copied between host and device, or device time. */
FL_EXPORT void fl_ledger_add_copied(uint64_t bytes);
FL_EXPORT void fl_ledger_add_device_time(double nanoseconds);
FL_EXPORT fl_status fl_ledger_report(fl_text_sink sink, void* context); /* JSON rows */
FL_EXPORT void fl_ledger_clear(void);

#ifdef __cplusplus
}
#endif
#endif /* FLAGOS_ROUTING_H_ */
