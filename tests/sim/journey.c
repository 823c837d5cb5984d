#include "tests/sim/journey.h"

#include <stdio.h>

#include "tests/sim/feed_check.h"

enum { SUBREDDITS = 3, TEXT_BYTES = 160, NAME_BYTES = 40 };

struct journey {
    struct forum *forum;
    struct account user, friend;
    uint64_t subreddits[SUBREDDITS]; /* two of the user's own, then the friend's */
    uint64_t posts[SUBREDDITS];
    bool good;
};

static bool arrive(struct agent *agent, struct journey *journey)
{
    struct forum *forum = journey->forum;
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "journey_%s", forum->tag);
    if (!forum_register(agent, forum, name, &journey->user)) {
        return false;
    }
    snprintf(name, sizeof name, "friend_%s", forum->tag);
    if (!forum_register(agent, forum, name, &journey->friend)) {
        return false;
    }
    for (unsigned i = 0; i < SUBREDDITS; i++) {
        const struct account *creator = i < SUBREDDITS - 1 ? &journey->user : &journey->friend;

        snprintf(name, sizeof name, "journey_%s_%u", forum->tag, i + 1);
        journey->subreddits[i] = forum_create(agent, forum, creator, name, "Where a journey leads");
        if (journey->subreddits[i] == 0) {
            return false;
        }
    }
    return forum_join(agent, forum, &journey->user, journey->subreddits[SUBREDDITS - 1]);
}

static bool write_and_discuss(struct agent *agent, struct journey *journey)
{
    struct forum *forum = journey->forum;
    struct forum_comment comment = {.content = "Well said."};
    uint64_t comment_id, reply_id;

    for (unsigned i = 0; i < SUBREDDITS; i++) {
        char title[TEXT_BYTES];
        struct forum_post post = {
            .subreddit = journey->subreddits[i], .title = title, .content = "There and back again, äöü €"};

        snprintf(title, sizeof title, "Post %u of journey %s", i + 1, forum->tag);
        journey->posts[i] = forum_post(agent, forum, &journey->user, &post);
        if (journey->posts[i] == 0) {
            return false;
        }
    }
    comment.post = journey->posts[0];
    comment_id = forum_comment(agent, forum, &journey->friend, &comment);
    comment.parent = comment_id;
    comment.content = "Thank you.";
    reply_id = comment_id != 0 ? forum_comment(agent, forum, &journey->user, &comment) : 0;
    return reply_id != 0 && forum_vote(agent, forum, &journey->friend, ID_POST, journey->posts[0], VOTE_UP) &&
           forum_vote(agent, forum, &journey->user, ID_COMMENT, comment_id, VOTE_UP) &&
           forum_vote(agent, forum, &journey->friend, ID_COMMENT, reply_id, VOTE_DOWN) &&
           forum_vote(agent, forum, &journey->friend, ID_COMMENT, reply_id, VOTE_UP) &&
           forum_repost(agent, forum, &journey->user, journey->posts[0], journey->posts[0],
                        journey->subreddits[1]) != 0;
}

static bool write_to_each_other(struct agent *agent, struct journey *journey)
{
    struct forum *forum = journey->forum;
    uint64_t first =
        forum_message(agent, forum, &journey->user, journey->friend.id, "Did you see my post?", 0);

    return first != 0 &&
           forum_message(agent, forum, &journey->friend, journey->user.id, "I did, and voted.", first) != 0;
}

static bool look_around(struct agent *agent, struct journey *journey)
{
    struct answer answer;
    bool good = forum_feed(agent, journey->forum, &journey->user, &answer) &&
                feed_holds_only(&answer, journey->user.name, journey->subreddits, SUBREDDITS);

    answer_clear(&answer);
    if (good) {
        good = forum_list(agent, journey->forum, "/api/subreddits", &answer);
        answer_clear(&answer);
    }
    return good;
}

static void travel(struct agent *agent, void *context)
{
    struct journey *journey = context;

    journey->good = arrive(agent, journey) && write_and_discuss(agent, journey) &&
                    write_to_each_other(agent, journey) && look_around(agent, journey);
}

bool journey_run(struct forum *forum)
{
    struct journey journey = {.forum = forum};

    client_run(forum->client, 1, travel, &journey);
    account_clear(&journey.user);
    account_clear(&journey.friend);
    if (!journey.good) {
        fprintf(stderr, "forumd-sim: the journey ended at a step that failed\n");
    }
    return journey.good;
}
