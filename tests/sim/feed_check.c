#include "tests/sim/feed_check.h"

#include <json-c/json.h>
#include <stdio.h>

#include "tests/sim/ids.h"

static bool is_among(uint64_t number, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == number) {
            return true;
        }
    }
    return false;
}

bool feed_holds_only(const struct answer *page, const char *username, const uint64_t *subreddits,
                     size_t count)
{
    for (size_t i = 0; i < json_object_array_length(page->json); i++) {
        struct json_object *item = json_object_array_get_idx(page->json, i);
        struct json_object *subreddit = NULL;

        if (!json_object_is_type(item, json_type_object) ||
            !json_object_object_get_ex(item, "subreddit_id", &subreddit) ||
            !is_among(id_parse(ID_SUBREDDIT, json_object_get_string(subreddit)), subreddits, count)) {
            fprintf(stderr, "forumd-sim: the feed of %s holds a post of %s, which they did not join\n",
                    username, subreddit != NULL ? json_object_get_string(subreddit) : "no subreddit");
            return false;
        }
    }
    return true;
}
