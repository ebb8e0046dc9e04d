/* What the agent and its runner say to each other over DIR/runner.sock: small typed messages, one per frame.
 *
 * The runner is started by a unit or by cluster-up, never by the agent; either may be restarted without the other. On
 * connecting, the runner says HELLO; the agent then ASKs about every run that it has on record as started and not
 * ended. Asking is a fence: a runner that answered RUN_UNKNOWN never spawns that run. An ENDED is kept in the
 * runner's journal and repeated on every connection until the agent's FORGET (sent after its own commit). */
#ifndef PROTO_RUNNER_H
#define PROTO_RUNNER_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/types.h"

#define RUNNER_FRAME_BYTES_MAX (DEFINITION_BYTES_MAX + 65536u)

enum runner_order_type {
	RUNNER_PREPARE = 1, /* spawn the launcher now, exec at start_mono_us */
	RUNNER_KILL = 2,    /* signal, after grace KILL, the whole session */
	RUNNER_ASK = 3,
	RUNNER_FORGET = 4,  /* the end is committed: drop it from the journal */
	RUNNER_REVOKE = 5   /* of a prepared run: never exec it; answered by ENDED(cause revoked) or STARTED */
};

struct runner_order {
	enum runner_order_type type;
	struct run_key run;
	/* PREPARE */
	struct slice run_name;     /* as users see it; also the name of the spool files is made from it */
	int64_t start_mono_us;     /* on the boot-time clock of this host; past: at once */
	struct slice definition;   /* proto/definition bytes */
	struct slice environment;  /* msgpack map name -> text: the SCHED_* variables, added to the job's own;
	                            * <= RUNNER_ENVIRONMENT_BYTES_MAX */
	/* KILL */
	int signal;                /* first signal, 0: TERM */
	int64_t grace_ms;          /* until KILL; < 0: the definition's kill_grace; <= KILL_GRACE_MS_MAX */
	struct slice by;           /* who asked: goes into the verdict; <= RESULT_BYTES_MAX */
};

enum runner_report_type {
	RUNNER_HELLO = 1,
	RUNNER_STARTED = 2,
	RUNNER_ENDED = 3,
	RUNNER_UNKNOWN = 4, /* answer to ASK: never heard of; from now on never spawned */
	RUNNER_PREPARED = 5 /* answer to ASK: the launcher waits */
};

/* Why a run did not just exit. */
enum runner_cause {
	RUNNER_CAUSE_NONE = 0,
	RUNNER_CAUSE_SPAWN = 1,   /* text: "spawn ENOENT" */
	RUNNER_CAUSE_CWD = 2,     /* "cwd ENOENT" */
	RUNNER_CAUSE_TIMEOUT = 3, /* ended by its time limit */
	RUNNER_CAUSE_KILLED = 4,  /* ended by an order; text: by whom */
	RUNNER_CAUSE_REVOKED = 5, /* never exec'd */
	RUNNER_CAUSE_LOST = 6     /* the runner was restarted and can not prove the process its own */
};

struct runner_usage {
	int64_t user_us; /* -1: not known, as the next two */
	int64_t system_us;
	int64_t rss_bytes_max;
};

struct runner_report {
	enum runner_report_type type;
	struct run_key run;
	/* HELLO */
	struct id128 host_boot; /* of /proc/sys/kernel/random/boot_id */
	struct slice version;
	/* STARTED and ENDED (a run that was never exec'd has pid 0 and started 0) */
	int64_t pid;
	int64_t started_utc_ms;
	int64_t started_mono_us;   /* the launcher's stamp just before execve */
	int64_t lateness_us;       /* that stamp minus start_mono_us */
	/* ENDED */
	int64_t ended_utc_ms;
	int64_t duration_us;       /* by the boot-time clock; -1: nobody saw the end (cause lost), 0: never exec'd */
	int exit_code;             /* -1 if ended by a signal, never exec'd, or not known (cause lost) */
	int signal;                /* 0: none */
	enum runner_cause cause;
	struct slice cause_text;   /* <= RESULT_BYTES_MAX */
	struct runner_usage usage;
	uint64_t output_bytes;     /* true total of both streams */
	int64_t processes_left;    /* found alive in the session after a kill; -1: not looked */
};

void runner_order_put(struct buf *out, const struct runner_order *order);
MUST_CHECK enum err runner_order_get(struct slice frame, struct runner_order *ret_order);
void runner_report_put(struct buf *out, const struct runner_report *report);
MUST_CHECK enum err runner_report_get(struct slice frame, struct runner_report *ret_report);

#endif
