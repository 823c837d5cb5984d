#include "tests/sim/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/memory.h"

enum { LINE_BYTES = 512 };

#define APPEND(state, array, single, value)                                                                  \
    do {                                                                                                     \
        (state)->array = mem_grow((state)->array, (state)->single##_count, &(state)->single##_capacity,      \
                                  sizeof(state)->array[0]);                                                  \
        (state)->array[(state)->single##_count++] = (value);                                                 \
    } while (0)

struct state *state_new(void)
{
    return mem_zeroed(1, sizeof(struct state));
}

void state_free(struct state *state)
{
    if (state == NULL) {
        return;
    }
    for (size_t i = 0; i < state->subreddit_count; i++) {
        free((char *)state->subreddits[i].name);
    }
    for (size_t i = 0; i < state->user_count; i++) {
        free((char *)state->users[i].name);
    }
    for (size_t i = 0; i < state->trouble_count; i++) {
        free(state->troubles[i]);
    }
    free(state->subreddits);
    free(state->posts);
    free(state->comments);
    free(state->users);
    free(state->joined);
    free(state->feed);
    free(state->user_posts);
    free(state->user_comments);
    free(state->messages);
    free(state->conversations);
    free(state->conversation_items);
    free(state->troubles);
    free(state);
}

void state_add_subreddit(struct state *state, const struct state_subreddit *subreddit)
{
    struct state_subreddit copy = *subreddit;

    copy.name = mem_text(subreddit->name);
    APPEND(state, subreddits, subreddit, copy);
}

void state_add_post(struct state *state, const struct state_post *post)
{
    APPEND(state, posts, post, *post);
}

void state_add_comment(struct state *state, const struct state_comment *comment)
{
    APPEND(state, comments, comment, *comment);
}

void state_add_user(struct state *state, const struct state_user *user)
{
    struct state_user copy = *user;

    copy.name = mem_text(user->name);
    APPEND(state, users, user, copy);
}

void state_add_joined(struct state *state, uint64_t user, uint64_t subreddit)
{
    APPEND(state, joined, joined, ((struct state_link){.owner = user, .item = subreddit}));
}

void state_add_feed_item(struct state *state, const struct state_feed_item *item)
{
    APPEND(state, feed, feed, *item);
}

void state_add_user_post(struct state *state, uint64_t user, uint64_t post)
{
    APPEND(state, user_posts, user_post, ((struct state_link){.owner = user, .item = post}));
}

void state_add_user_comment(struct state *state, uint64_t user, uint64_t comment)
{
    APPEND(state, user_comments, user_comment, ((struct state_link){.owner = user, .item = comment}));
}

void state_add_message(struct state *state, const struct state_message *message)
{
    APPEND(state, messages, message, *message);
}

void state_add_conversation(struct state *state, uint64_t first, uint64_t second)
{
    APPEND(state, conversations, conversation,
           ((struct state_conversation){.first = first, .second = second}));
}

void state_add_conversation_item(struct state *state, uint64_t conversation, uint64_t message)
{
    APPEND(state, conversation_items, conversation_item,
           ((struct state_link){.owner = conversation, .item = message}));
}

void state_add_trouble(struct state *state, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    APPEND(state, troubles, trouble, mem_text(line));
}
