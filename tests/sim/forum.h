/*
 * The forum as its users see it: a function a request, which says it to the server, notes the outcome in the
 * record and the time in the statistics, and tells of it where a run is narrated. All are called from agents.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "tests/sim/client.h"
#include "tests/sim/ids.h"
#include "tests/sim/record.h"
#include "tests/sim/stats.h"

#define FORUM_NAME_BYTES  24 /* a user's or subreddit's name with its NUL */
#define FORUM_TAG_MAX     8
#define FORUM_TITLE_MAX   300
#define FORUM_CONTENT_MAX 40000
#define FORUM_COMMENT_MAX 10000
#define FORUM_ABOUT_MAX   500
#define FORUM_PAGE        100

struct forum {
    struct client *client;
    struct record *record;
    struct stats *stats;
    char run[FORUM_NAME_BYTES];  /* in every key, so that no other run has them */
    char tag[FORUM_TAG_MAX + 1]; /* in names, likewise unless the user says so */
    uint64_t keys;               /* given out */
    bool narrate;                /* a line to stdout for each request */
};

/* Someone who acts. `token` is NULL where the server gives none. */
struct account {
    uint64_t id; /* 0: not registered */
    char name[FORUM_NAME_BYTES];
    char *token; /* owned */
};

/* Registers; a name that is taken is looked up instead. False if neither worked. */
bool forum_register(struct agent *agent, struct forum *forum, const char *name,
                    struct account *account) MUST_USE;
void account_clear(struct account *account);

/* The same for a subreddit: its id, or 0. */
uint64_t forum_create(struct agent *agent, struct forum *forum, const struct account *creator,
                      const char *name, const char *description) MUST_USE;
/* To be a member already is as good. False if it did not come true. */
bool forum_join(struct agent *agent, struct forum *forum, const struct account *account,
                uint64_t subreddit) MUST_USE;
bool forum_leave(struct agent *agent, struct forum *forum, const struct account *account,
                 uint64_t subreddit) MUST_USE;

/* What is written: each gives the new id, or 0. `key` NULL: one that no other request has; else of <= 64
 * visible ASCII. */
struct forum_post {
    uint64_t subreddit;
    const char *title, *content; /* within the API's limits, title trimmed */
    const char *key;
};
uint64_t forum_post(struct agent *agent, struct forum *forum, const struct account *author,
                    const struct forum_post *post) MUST_USE;
/* `original` is the root of the chain, `post` what is reposted. */
uint64_t forum_repost(struct agent *agent, struct forum *forum, const struct account *author, uint64_t post,
                      uint64_t original, uint64_t subreddit) MUST_USE;

struct forum_comment {
    uint64_t post, parent; /* parent 0: none */
    const char *content;
    const char *key;
};
uint64_t forum_comment(struct agent *agent, struct forum *forum, const struct account *author,
                       const struct forum_comment *comment) MUST_USE;
/* `state` is one of VOTE_*, `kind` ID_POST or ID_COMMENT. */
bool forum_vote(struct agent *agent, struct forum *forum, const struct account *voter, enum id_kind kind,
                uint64_t id, unsigned state);
/* `reply_to` 0: none */
uint64_t forum_message(struct agent *agent, struct forum *forum, const struct account *from, uint64_t to,
                       const char *content, uint64_t reply_to) MUST_USE;

/* The first page of a feed or of a list; the caller clears the answer. True if it is an array. */
bool forum_feed(struct agent *agent, struct forum *forum, const struct account *account,
                struct answer *answer);
bool forum_list(struct agent *agent, struct forum *forum, const char *path, struct answer *answer) MUST_USE;
/* What everybody sees of a user. True if it is theirs. */
bool forum_profile(struct agent *agent, struct forum *forum, const struct account *account);
