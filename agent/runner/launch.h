/* The launch step: the runner spawns itself as `schedd-runner --launch`, which sets everything up, waits for the
 * moment, and execs the job in its place (chain loading). It is single-threaded and does nothing between fork and
 * exec that a program may not do there.
 *
 *   runner                                          launcher
 *   uv_spawn, identity, journal PREPARED  ------->  session, umask, directory, timer on the boot-time clock
 *   journal synced: 'G' ------------------------->  may go
 *                                                   the moment: STAMP, execve
 *   STAMP, then end of file: it runs      <-------
 *
 * The launcher itself waits for the moment, so that only its own wake-up lies between the timer and execve. 'R' before
 * the moment: REVOKED instead, and no exec. If the runner dies before the moment, the launcher reads the end of
 * file and leaves without exec. */
#ifndef AGENT_RUNNER_LAUNCH_H
#define AGENT_RUNNER_LAUNCH_H

#include <stdint.h>
#include <uv.h>

#include "agent/runner/command.h"
#include "proto/err.h"

#define LAUNCH_OPTION "--launch"
#define LAUNCH_GO 'G'
#define LAUNCH_REVOKE 'R'

enum launch_news {
	LAUNCH_STAMP = 1,   /* about to execve; both clocks were read just before */
	LAUNCH_REVOKED = 2, /* obeyed: no execve */
	LAUNCH_NO_CWD = 3,  /* chdir failed with `error` */
	LAUNCH_NO_EXEC = 4  /* execve failed with `error` */
};

/* One packet from the launcher. */
struct launch_status {
	int32_t news;  /* enum launch_news */
	int32_t error; /* errno */
	int64_t mono_us;
	int64_t utc_ms;
};

/* A launched process, as its spawner holds it: descriptors are close-on-exec and non-blocking. */
struct launch {
	int control;   /* SOCK_SEQPACKET: orders out, launch_status in */
	int output[2]; /* read ends of stdout and stderr */
	uint64_t pipe_inodes[2];
};

/* Spawns the launcher on `process` (of `loop`), whose exit goes to on_exit. `program` is a descriptor of this very
 * program. Failure: the errno as a negative libuv code; nothing is open then, but the caller must uv_close
 * `process` if *ret_must_close. */
MUST_CHECK int launch_start(uv_loop_t *loop, uv_process_t *process, uv_exit_cb on_exit, int program,
			    const struct definition *definition, struct slice command,
			    struct launch *ret_launch, bool *ret_must_close);

/* The launcher's whole life. Returns only to exit with its code. */
int launch_main(void);

#endif
