/*
 * The page by which an engine tells workers on its machine what changed: a file in the state directory that
 * the engine maps to write and workers map to read. Answers that were made before may be given again as long
 * as it says that nothing they rest on changed (gateway/DESIGN.md "Answers given again").
 *
 * One file for good: grown once, never truncated, replaced or removed, so that whoever maps it sees what is
 * written to it. All words are lock-free atomics: a kill at any instruction leaves it usable.
 *
 * An engine process begins with a new stamp; that makes all that was known of the page before worthless.
 * From then on `head` only rises, by one for each commit that changed something shown, and the bucket of each
 * thing that changed rises to the same number, first. So who read stamp and head, then asked, may use the
 * answer as long as the stamp is the same, and neither `floor` nor any bucket of what it rests on is above
 * that head.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

#define VERSION_PAGE_SUFFIX ".versions" /* posts.versions */
#define VERSION_BUCKETS     (1u << 16)
#define VERSION_LAYOUT                                                                                       \
    0x8d1f6a90b2c45e32u /* another for each change of the layout or of what a bucket stands for */

struct version_page {
    _Atomic uint64_t stamp; /* of the process that writes, by its run (version_stamp); 0: being made */
    _Atomic uint64_t head;  /* how often something was raised in this run, and 1 */
    _Atomic uint64_t floor; /* when everything was, last */
    /* The end of the event log: the timeline's id, and the last event that is committed; both before it is
     * answered. So who follows the log up to there has seen all that anybody was told of. Not a matter of
     * `head`. */
    _Atomic uint64_t log_id, log_seq;
    uint64_t unused[3];                        /* the words above in a line of their own */
    _Atomic uint64_t buckets[VERSION_BUCKETS]; /* when what hashes to it was raised, last */
};
_Static_assert(sizeof(struct version_page) == 64 + VERSION_BUCKETS * sizeof(uint64_t), "no padding");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(long long) == sizeof(uint64_t),
               "what processes share must be lock-free");

/* What changes, in the domain whose page it is. */
enum version_kind {
    VERSION_LIST,      /* the list of all; its id is 0 */
    VERSION_USER,      /* the user, and what the domain lists by user: their posts, memberships, messages */
    VERSION_SUBREDDIT, /* the subreddit, and its posts */
    VERSION_POST,      /* the post, and its comments */
    VERSION_COMMENT,
    VERSION_KINDS
};

uint32_t version_bucket(enum version_kind kind, uint64_t id) MUST_USE;

/* Differs with the layout, so that nobody takes a page of another layout for one that they can read. */
static inline uint64_t version_stamp(uint64_t run)
{
    return run ^ VERSION_LAYOUT;
}
