/* Every limit has its name here, with its unit and the reason for its size. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

/* Wire. */
#define DATAGRAM_BYTES_MAX 1232u      /* sealed; the IPv6 minimum MTU of 1280 less headers */
#define DATAGRAM_HEADER_BYTES 28u     /* clear header, authenticated */
#define SEAL_TAG_BYTES 16u            /* Poly1305 */
#define DATAGRAM_PAYLOAD_BYTES_MAX (DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES - 8u - SEAL_TAG_BYTES)
#define FRAME_BYTES_MAX (1u << 20)    /* one stream or socket frame; holds a tick's claims for 10,000 jobs */
#define WIRE_DEPTH_MAX 8u             /* nesting of arrays and maps; our deepest message has 5 */
#define WIRE_ITEMS_MAX (1u << 18)     /* sum of all declared counts in one frame: nested headers cannot multiply */

/* Names and definitions. */
#define NAME_PART_BYTES_MAX 64u       /* group or job part: [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
#define JOB_NAME_BYTES_MAX (2u * NAME_PART_BYTES_MAX + 1u)
#define NODE_NAME_BYTES_MAX 63u       /* one DNS label */
#define DEFINITION_BYTES_MAX 65536u   /* a definition as stored */
#define CRON_TEXT_BYTES_MAX 256u      /* an expression; the longest sensible lists stay below */
#define ZONE_NAME_BYTES_MAX 64u       /* IANA names are below 40 */
#define DESCRIPTION_BYTES_MAX 1024u
#define COMMAND_ARGS_MAX 256u         /* words of a command */
#define ENV_ENTRIES_MAX 256u          /* variables of a job */
#define ENV_BYTES_MAX 32768u          /* args, env and params together */
#define STDIN_BYTES_MAX 32768u        /* text that a job gets as its standard input */
#define CWD_BYTES_MAX 4095u           /* Linux PATH_MAX less its NUL */
#define REASON_BYTES_MAX 256u         /* why somebody did something */
#define USER_NAME_BYTES_MAX 32u       /* Linux login names */
#define RESULT_BYTES_MAX 128u         /* the cause of a verdict: "spawn ENOENT", "overlap 8f21c07e" */

/* Schedules. */
#define FIRES_PER_DAY_MAX 5000u       /* more needs `often: true`: a slip of the seconds field is likelier than intent */
#define EVERY_MS_MIN 1000             /* `every` below a second is a loop, not a schedule */
#define EVERY_MS_MAX (36525LL * 86400 * 1000) /* 100 years: more is a slip */
#define START_DEADLINE_MS_MIN 1000            /* below a second every late tick would be a miss */
#define START_DEADLINE_MS_MAX (30LL * 86400 * 1000)
#define TIMEOUT_MS_MAX (366LL * 86400 * 1000) /* a longer run is a service, not a job */
#define KILL_GRACE_MS_DEFAULT 10000
#define YEAR_MIN 1970
#define YEAR_MAX 2199
#define ZONE_FILE_BYTES_MAX 16384u    /* a TZif file; the biggest of tzdata 2025b has 3,872 bytes */
#define ZONE_TRANSITIONS_MAX 512u     /* after 1970, in one zone; the most is 275 (Asia/Hebron) */
#define ZONE_TYPES_MAX 64u            /* offsets in one zone; the most is 18 */
#define ZONES_MAX 640u                /* zones in use on one agent; tzdata has some 600 names */

/* Cluster. */
#define MEMBERS_MAX 5000u             /* tested bound of gossip */
#define SET_MEMBERS_MAX 5u            /* voters of an arc: 1, 3 or 5 */
#define ARC_COUNT 4096u               /* equal pieces of the ring, fixed at birth: top 12 bits */
#define ARC_BITS 12u
#define META_BYTES_MAX 256u           /* a member's own facts in gossip */
#define SEEDS_MAX 16u                 /* addresses given with --join */

/* Claims. */
#define CURSOR_OPEN_MAX 256u          /* open runs of one job */
#define CURSOR_MANUAL_MAX 16u         /* request ids remembered per job */
#define LOOKAHEAD_MS 1000             /* a fire is claimed this long before it is due */
#define OFFER_AHEAD_MS 100            /* offers leave this long before the claim */
#define STEP_MS 300                   /* ranks of a set step in one after the other */
#define TICK_MS 10                    /* claim moments in the same tick share a frame */
#define LAST_LOOK_MS 20               /* before the moment: look, sync the start record, prepare the runner */
#define LAST_LOOK_RUN_MS 2            /* ... and this much earlier for each run in hand: a spawn costs about a millisecond */
#define LAST_LOOK_MS_MAX 200
#define EARLY_SLACK_MS 1000           /* a voter refuses what is further ahead than LOOKAHEAD and this */
#define MISFIRE_AFTER_MS 60000        /* a fire not claimed by then is a misfire */
#define START_DEADLINE_MS_DEFAULT (3600 * 1000)
#define EXECUTOR_GONE_MS 3000         /* membership's `failed` must be this old before a run counts as lost */
#define PAUSE_LOOK_MS 5000            /* woken from a longer pause, an executor asks a majority before it starts */
#define CLOCK_SUSPECT_MS 5000         /* further off than this, an agent neither proposes nor takes ARM */
#define CLOCK_CORRECT_MS 50           /* median offset below this is noise */
#define MISFIRE_ALL_MAX 100u          /* misfire=all starts at most this many */

/* Runs and output. */
#define OUTPUT_BYTES_DEFAULT (1u << 20)
#define OUTPUT_BYTES_MIN 1024u
#define OUTPUT_BYTES_MAX (64u << 20)
#define RUN_NAME_BYTES_MAX (JOB_NAME_BYTES_MAX + 64u)
#define RUN_SHORT_BYTES 8u            /* hex digits of a run's short id */
#define OUTPUT_LINE_BYTES_MAX 8192u   /* one record of output: a longer line is several */
#define RUNNER_RUNS_MAX 4096u         /* runs that one runner holds, those ended and not yet forgotten included */
#define RUNNER_FENCES_MAX 4096u       /* runs that a runner said it does not know: never spawned from then on */
#define RUNNER_ENVIRONMENT_BYTES_MAX 8192u /* the SCHED_* variables of an order; a run name is the longest */
#define OUTPUT_GRACE_MS 5000          /* after its exit, a run waits so long for who still holds its pipes */
#define KILL_GRACE_MS_MAX (30LL * 24 * 3600 * 1000) /* an order's own grace; above a month is a slip */

/* Store. */
#define STORE_KEY_BYTES_MAX 511u              /* LMDB's own limit */
#define STORE_VALUE_BYTES_MAX (1u << 20)      /* one record; the largest is a definition, of 64 KiB */
#define OUTBOX_BYTES_MAX (4u << 20)           /* history changes not drained yet: a quarter of the first voting map */
#define OUTBOX_ENTRY_BYTES 32768u             /* changes are cut into entries of about this, to need few pages in a row */
#define VOTING_BYTES_DEFAULT (16ull << 20)    /* votes of some 20,000 jobs; grown ahead of need */
#define VOTING_BYTES_MIN (1ull << 20)         /* below this not even the outbox's first entries fit */
#define VOTING_BYTES_MAX (1ull << 30)         /* votes of a million jobs */
#define HISTORY_BYTES_DEFAULT (1ull << 30)    /* address space; the file is as large as what was written */
#define HISTORY_BYTES_MIN (1ull << 18)
#define HISTORY_BYTES_MAX (1ull << 40)        /* address space of x86 is 2^47 */
#define STORE_PATH_BYTES_MAX 4096u            /* PATH_MAX */

/* Local socket. */
#define CLIENTS_MAX 64u               /* consoles and commands at one agent */
#define REQUEST_ID_BYTES_MAX 64u      /* text of --id */

#endif
