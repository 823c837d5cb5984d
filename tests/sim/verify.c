#include "tests/sim/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/compare.h"
#include "tests/sim/differences.h"
#include "tests/sim/state.h"
#include "tests/sim/verify_read.h"

static void pause_agent(struct agent *agent, void *context)
{
    (void)context;
    agent_sleep_until(agent, client_now_us() + (uint64_t)VERIFY_PAUSE_MS * 1000);
}

static void summarize(const struct state *state, const struct differences *differences, unsigned readings,
                      uint64_t took_us)
{
    printf(
        "verify: read %zu users, %zu subreddits, %zu posts, %zu comments, %zu memberships, %zu feed items, "
        "%zu messages, %zu conversations in %.2f s",
        state->user_count, state->subreddit_count, state->post_count, state->comment_count,
        state->joined_count, state->feed_count, state->message_count, state->conversation_count,
        (double)took_us / 1e6);
    printf("%s: %zu difference%s\n", readings > 1 ? " (the last of several readings)" : "",
           differences_count(differences), differences_count(differences) == 1 ? "" : "s");
}

bool verify(struct client *client, const struct record *record, const struct verify_options *options)
{
    uint64_t deadline_us = 0;
    bool equal;

    client_set_retries(client, VERIFY_RETRIES);
    for (unsigned readings = 1;; readings++) {
        uint64_t start_us = client_now_us();
        struct state *state = verify_read(client, record, options);
        struct differences *differences = compare(record, state);
        uint64_t now_us = client_now_us();

        if (deadline_us == 0) {
            deadline_us = now_us + (uint64_t)VERIFY_DEADLINE_MS * 1000;
        }
        equal = differences_count(differences) == 0;
        if (equal || client_stopping(client) || (readings > 1 && now_us >= deadline_us)) {
            differences_print(differences, stdout);
            summarize(state, differences, readings, now_us - start_us);
            differences_free(differences);
            state_free(state);
            break;
        }
        differences_free(differences);
        state_free(state);
        client_run(client, 1, pause_agent, NULL);
    }
    return equal && !client_stopping(client);
}
