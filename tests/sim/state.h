/*
 * What the server shows of itself, as it was read: plain rows, doubles and contradictions included.
 * verify_read fills it from the API; a test fills it by hand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

struct state_subreddit {
    uint64_t id, creator;
    const char *name;
    int64_t member_count;
};

struct state_post {
    uint64_t id, author, original;
    uint64_t subreddit; /* what the post says */
    uint64_t listed_in; /* where it was found */
    uint64_t text_hash;
    int64_t upvotes, downvotes, score, comment_count;
    bool is_repost;
};

struct state_comment {
    uint64_t id, author, parent;
    uint64_t post;      /* what the comment says */
    uint64_t listed_in; /* the post where it was found */
    uint64_t text_hash;
    int64_t upvotes, downvotes, score, depth, reply_count;
};

struct state_user {
    uint64_t id;
    uint64_t found_by_name; /* the id that the look-up of the name gave; 0: not looked up or not there */
    const char *name;
    int64_t karma, post_karma, comment_karma;
    bool feed_whole;    /* all pages of the feed are in `feed`, not only the first */
    bool lists_read;    /* what the user wrote is in `user_posts` and `user_comments` */
    bool messages_read; /* the user's messages are in `messages` */
};

/* The `item` of the `owner`; the kinds are those of the array that holds it. */
struct state_link {
    uint64_t owner, item;
};

struct state_feed_item {
    uint64_t user, post, subreddit;
};

struct state_message {
    uint64_t reader; /* in whose messages it was found */
    uint64_t id, from, to, reply_to;
    uint64_t text_hash;
};

/* The messages of two users, oldest first, as the route for two shows them. */
struct state_conversation {
    uint64_t first, second; /* first <= second */
    bool whole;             /* all of it is in `conversation_items` */
};

struct state {
    struct state_subreddit *subreddits;
    struct state_post *posts;
    struct state_comment *comments;
    struct state_user *users;
    struct state_link *joined; /* user, subreddit */
    struct state_feed_item *feed;
    struct state_link *user_posts, *user_comments;
    struct state_message *messages;
    struct state_conversation *conversations;
    struct state_link *conversation_items; /* place in `conversations`, message; in the order they came */
    char **troubles;                       /* reads that gave nothing to compare */
    size_t subreddit_count, post_count, comment_count, user_count, joined_count, feed_count, user_post_count,
        user_comment_count, message_count, conversation_count, conversation_item_count, trouble_count;
    size_t subreddit_capacity, post_capacity, comment_capacity, user_capacity, joined_capacity, feed_capacity,
        user_post_capacity, user_comment_capacity, message_capacity, conversation_capacity,
        conversation_item_capacity, trouble_capacity;
};

struct state *state_new(void) MUST_USE;
void state_free(struct state *state);

/* Names are copied. */
void state_add_subreddit(struct state *state, const struct state_subreddit *subreddit);
void state_add_post(struct state *state, const struct state_post *post);
void state_add_comment(struct state *state, const struct state_comment *comment);
void state_add_user(struct state *state, const struct state_user *user);
void state_add_joined(struct state *state, uint64_t user, uint64_t subreddit);
void state_add_feed_item(struct state *state, const struct state_feed_item *item);
void state_add_user_post(struct state *state, uint64_t user, uint64_t post);
void state_add_user_comment(struct state *state, uint64_t user, uint64_t comment);
void state_add_message(struct state *state, const struct state_message *message);
void state_add_conversation(struct state *state, uint64_t first, uint64_t second);
void state_add_conversation_item(struct state *state, uint64_t conversation, uint64_t message);
PRINTF_LIKE(2, 3) void state_add_trouble(struct state *state, const char *format, ...);
