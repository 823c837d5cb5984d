/*
 * What the answers of each route rest on: the things (proto/version_page.h) whose owners must not have raised
 * them for the same bytes to be right again. A route without a rule is asked anew each time.
 *
 * A rule names, for everything that is shown, a thing that each event which changes it touches
 * (engined/DOMAIN/touch.c). tests/unit/cache_rules_test.c holds the two against each other.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/attributes.h"
#include "gateway/engine_pages.h"
#include "proto/domains.h"
#include "proto/schema.h"
#include "proto/version_page.h"

#define CACHE_RULE_KEYS_MAX 2

enum cache_source {
    CACHE_OF_REQUEST, /* the field of the request */
    CACHE_OF_REPLY,   /* the field of the (first) engine's reply; where repeated, all of them */
    CACHE_ONE,        /* there is but one */
};

struct cache_key_rule {
    enum domain_id owner; /* 0: no more */
    enum version_kind kind;
    enum cache_source source;
    const char *field; /* ids, or NULL */
};

struct cache_rule {
    struct cache_key_rule keys[CACHE_RULE_KEYS_MAX];
    /* Whether the answer changes by events alone, not as time passes. NULL: always. */
    bool (*request_fits)(const ProtobufCMessage *request);
    /* Of the first engine's reply, likewise. */
    bool (*reply_fits)(const ProtobufCMessage *reply);
};

extern const struct cache_rule cache_user_key, cache_posts_of_user, cache_comments_of_user, cache_subreddits,
    cache_subreddit, cache_subreddit_by_name, cache_posts_of_subreddit, cache_post, cache_comments_of_post,
    cache_comment, cache_feed, cache_messages_of_user, cache_conversation;

/* The owners, and what the request says; `basis->keys` has room for BASIS_KEYS_MAX. Each returns false when
 * the answer may not be kept. */
bool cache_rule_begin(const struct cache_rule *rule, const struct schema_message *schema,
                      const ProtobufCMessage *request, struct basis *basis) MUST_USE;
/* What the reply says besides. */
bool cache_rule_end(const struct cache_rule *rule, const struct schema_message *schema,
                    const ProtobufCMessage *reply, struct basis *basis) MUST_USE;
