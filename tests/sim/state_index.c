#include "tests/sim/state_index.h"

#include <stdlib.h>

#include "tests/sim/memory.h"

static void place(struct table *table, uint64_t id, size_t position)
{
    uint64_t *known = table_put(table, id, 0);

    if (*known == 0) {
        *known = position + 1;
    }
}

struct state_index *state_index_new(const struct state *state)
{
    struct state_index *index = mem_zeroed(1, sizeof *index);

    index->state = state;
    index->subreddits = table_new();
    index->posts = table_new();
    index->comments = table_new();
    index->users = table_new();
    index->messages = table_new();
    index->joined = table_new();
    index->message_readers = table_new();
    for (size_t i = 0; i < state->subreddit_count; i++) {
        place(index->subreddits, state->subreddits[i].id, i);
    }
    for (size_t i = 0; i < state->post_count; i++) {
        place(index->posts, state->posts[i].id, i);
    }
    for (size_t i = 0; i < state->comment_count; i++) {
        place(index->comments, state->comments[i].id, i);
    }
    for (size_t i = 0; i < state->user_count; i++) {
        place(index->users, state->users[i].id, i);
    }
    for (size_t i = 0; i < state->message_count; i++) {
        place(index->messages, state->messages[i].id, i);
        ++*table_put(index->message_readers, state->messages[i].id, state->messages[i].reader);
    }
    for (size_t i = 0; i < state->joined_count; i++) {
        ++*table_put(index->joined, state->joined[i].owner, state->joined[i].item);
    }
    return index;
}

void state_index_free(struct state_index *index)
{
    table_free(index->subreddits);
    table_free(index->posts);
    table_free(index->comments);
    table_free(index->users);
    table_free(index->messages);
    table_free(index->joined);
    table_free(index->message_readers);
    free(index);
}

const struct state_subreddit *state_index_subreddit(const struct state_index *index, uint64_t id)
{
    uint64_t found = table_get(index->subreddits, id, 0);

    return found > 0 ? &index->state->subreddits[found - 1] : NULL;
}

const struct state_post *state_index_post(const struct state_index *index, uint64_t id)
{
    uint64_t found = table_get(index->posts, id, 0);

    return found > 0 ? &index->state->posts[found - 1] : NULL;
}

const struct state_comment *state_index_comment(const struct state_index *index, uint64_t id)
{
    uint64_t found = table_get(index->comments, id, 0);

    return found > 0 ? &index->state->comments[found - 1] : NULL;
}

const struct state_user *state_index_user(const struct state_index *index, uint64_t id)
{
    uint64_t found = table_get(index->users, id, 0);

    return found > 0 ? &index->state->users[found - 1] : NULL;
}

const struct state_message *state_index_message(const struct state_index *index, uint64_t id)
{
    uint64_t found = table_get(index->messages, id, 0);

    return found > 0 ? &index->state->messages[found - 1] : NULL;
}
