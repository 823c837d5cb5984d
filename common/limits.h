/* Every bound of the transport and the processes, in one place. Sizes in bytes, times in ms. */
#pragma once

/* Frames and batches (DESIGN.md "Transport") */
#define LIMIT_BATCH_FRAMES      1024        /* frames in one batch */
#define LIMIT_BATCH_BYTES       (8u << 20)  /* a batch of requests or replies */
#define LIMIT_REPLY_FRAME_BYTES (1u << 20)  /* one reply; list pages end before it */
#define LIMIT_MESSAGE_BYTES     (16u << 20) /* RECVMAXSZ on both ends */

/* Worker */
#define LIMIT_PENDING_PER_ENGINE                                                                             \
    8192                          /* requests of one worker that wait for one engine, in flight included */
#define LIMIT_QUEUE_MS         50 /* beyond what an engine decides in that time, requests for it are refused */
#define LIMIT_QUEUE_MIN        256  /* but never with fewer waiting */
#define LIMIT_REPLIES_HELD     2    /* of an engine, until a turn has time for them; then it gets no batch */
#define LIMIT_DEADLINE_MS      2000 /* a request's time from its arrival */
#define LIMIT_BODY_BYTES       (256u << 10)
#define LIMIT_HEAD_BYTES       (16u << 10) /* request line and headers */
#define LIMIT_URI_BYTES        8192
#define LIMIT_CONNECTIONS      20000       /* per worker */
#define LIMIT_KNOWN_USERS      65536       /* the worker's cache of user id -> name */
#define LIMIT_KNOWN_KEYS       16384       /* the worker's cache of user id -> public key */
#define LIMIT_KNOWN_SIGNATURES 65536       /* its verdicts on signed posts: 36 bytes each */
#define LIMIT_CACHE_BYTES      (16u << 20) /* of answers that a worker keeps, where no flag says otherwise */
#define LIMIT_CACHE_MAX_BYTES  (1u << 30)
#define LIMIT_KEYS_WAIT_MS     200 /* a read waits that long for its authors' keys */
#define LIMIT_FRAME_RETRIES    2   /* alone, after it was with a dying engine */

/* Rate limits (gateway/limits_page.h) */
#define LIMIT_LIMITS_SETS     8192 /* of 8 slots, per table: 65,536 users or addresses that are remembered */
#define LIMIT_TRUSTED_PROXIES 64   /* networks on the list */
#define LIMIT_FORWARDED_LINES 16   /* header lines of proxies that are looked at, from the last on */

/* A worker's turn (gateway/DESIGN.md "Admission") */
#define LIMIT_TURN_MS          20   /* a longer turn is a slow one */
#define LIMIT_TURN_PATIENCE_MS 20   /* slow ones only, that long: the worker is behind */
#define LIMIT_TURN_BEHIND_MS   7    /* while it is behind, it admits as many as make turns that long */
#define LIMIT_TURN_CALM_MS     1000 /* nothing refused that long: it is no longer */
#define LIMIT_TURN_BURST_MS    15   /* while it is not behind: what is read later in a turn is refused, ... */
#define LIMIT_TURN_BURST       64   /* ... but for the first ones */
#define LIMIT_TURN_SHARE_MIN   32   /* requests that are admitted in each turn, however far behind */
#define LIMIT_TURN_ANSWERS_MS  4    /* engines' answers that are worked on in a turn, ... */
#define LIMIT_TURN_ANSWERS_MIN 32   /* ... but for the first ones; of the rest one an engine */

/* Engine */
#define LIMIT_WORKERS             64
#define LIMIT_INBOUND             512 /* messages received and not yet answered: contexts of the REP socket */
#define LIMIT_TURN_FRAMES         4096  /* frames decided in one transaction */
#define LIMIT_PARKED              65536 /* commands that wait for something */
#define LIMIT_DECIDED             65536 /* their answers, until collected */
#define LIMIT_COLLECT_HOLD_MS     5000
#define LIMIT_PULL_HOLD_MS        5000
#define LIMIT_PULL_GAP_MS         5 /* a follower is answered no sooner after its last answer */
#define LIMIT_PULL_BYTES          (1u << 20)
#define LIMIT_PULL_EVENTS         4096
#define LIMIT_PULL_SCAN           16384 /* events looked at in one turn for one follower, wanted or not */
#define LIMIT_LOOKUP_IDS          1024  /* ids in one look-up request */
#define LIMIT_ASK_MS              500   /* a look-up's answer; asked again while somebody waits */
#define LIMIT_FOLLOWERS           160 /* that an engine remembers as such: engines, and workers of two generations */
#define LIMIT_PROBE_MS            1000  /* between tries to write on storage that failed */
#define LIMIT_FEED_WAIT_MS        200   /* a feed read waits for its pull */
#define LIMIT_WAL_PAGES           2048  /* the helper checkpoints beyond */
#define LIMIT_WAL_HARD_PAGES      32768 /* the actor itself does, so that the log cannot outrun the helper */
#define LIMIT_CLIENT_KEYS         1000000 /* idempotency keys an engine remembers */
#define LIMIT_CLIENT_KEY_MS       (24ull * 3600 * 1000)
#define LIMIT_REQUEST_ID_GRACE_MS 60000 /* a worker's own id is remembered that long after its deadline */
#define LIMIT_CRASHES             2     /* an engine dies that often of one request; then it is refused */
#define LIMIT_CRASH_MEMORY_MS     (3600ull * 1000)
#define LIMIT_CRASHES_KEPT        64    /* deaths remembered */
#define LIMIT_TOUCHED             16384 /* things one commit changes, that are told apart for workers' caches */
#define LIMIT_LOOK_MS             1000 /* an engine looks that often whether another process changed its file */
#define LIMIT_COPY_STEP_US        1000  /* an engine copies its file that long ... */
#define LIMIT_COPY_PAUSE_MS       4     /* ... and goes on no sooner than that later */
#define LIMIT_COPY_IDLE_MS        30000 /* a copy that nobody asks about is given up */
#define LIMIT_PRUNE_ROWS          256   /* request rows forgotten in one transaction */

/* Passwords (engined/passwords.h). Argon2id as libsodium's "interactive" has it: 2 passes over 64 MiB; each
 * process works on one at a time, so that many bytes a process is all they need. */
#define LIMIT_PASSWORD_PASSES       2
#define LIMIT_PASSWORD_MEMORY_BYTES (64u << 20)
#define LIMIT_PASSWORD_PROCESSES    4  /* that the users engine may have */
#define LIMIT_PASSWORD_JOBS         48 /* that wait or are under way: what two processes do in a deadline */
#define LIMIT_PASSWORD_MS                                                                                    \
    5000 /* for one; a process that hangs is killed before, and another asked at once                        \
          */
#define LIMIT_PASSWORD_PAUSE_MS 50 /* before a process that failed is asked again */

/* forumctl */
#define LIMIT_ADMIN_MS       6000  /* an answer to it; a password takes its time */
#define LIMIT_ADMIN_PAGE     256   /* accounts in one answer */
#define LIMIT_ADMIN_PROOF_MS 60000 /* that long after it was made a proof is good */

/* Sessions */
#define LIMIT_SESSIONS_WAIT_MS 1000       /* of a gateway that starts, while the users engine is away */
#define LIMIT_CLOSED_BUCKETS   (1u << 17) /* of 10 closed sessions each: 32 MiB at most, shared */
#define LIMIT_TOKENS_CACHED    8192       /* tokens that a worker need not check again */

/* Pages */
#define LIMIT_PAGE          100 /* items a list page may hold */
#define LIMIT_COMMENT_DEPTH 50

/* Memory kept between rounds */
#define ARENA_BLOCK_BYTES (64u << 10)
#define ARENA_KEEP_BYTES  (1u << 20)

/* Log */
#define LIMIT_SLOW_MS        500 /* a request that takes longer is worth a line, unless --slow-ms says otherwise */
#define LIMIT_SLOW_LINES     10   /* a process writes about slow requests a second */
#define LIMIT_PARKED_TOLD_US 1000 /* frames that were parked that long tell so */
#define LOG_LINE_MAX_BYTES   4096
#define LOG_BUFFER_BYTES     (64u << 10)

/* Supervision */
#define LIMIT_CHILDREN       64
#define LIMIT_RESTART_MIN_MS 10
#define LIMIT_RESTART_MAX_MS 5000
#define LIMIT_FORGIVE_MS     250   /* of service make one failure of a child forgotten */
#define LIMIT_STOP_MS        10000 /* SIGTERM to SIGKILL */
#define LIMIT_RELOAD_MS      30000 /* of a reload: for all new workers to serve, else the old ones stay */
#define LIMIT_RELOAD_TRIES   3     /* and as often one of them is started again */
#define LIMIT_RELOAD_WAIT_MS 55000 /* a drain (15 s) may come before; below the unit's TimeoutStartSec */
#define LIMIT_UNSERVED_MS    10000 /* without a running worker; then the master is no more alive */
#define LIMIT_START_MS       30000 /* exec to READY=1, unless it asks for more */
