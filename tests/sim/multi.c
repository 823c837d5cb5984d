#include "tests/sim/multi.h"

#include <stdio.h>

#include "tests/sim/feed_check.h"

enum { POSTS = 3, JOINED = 3, TEXT_BYTES = 160, NAME_BYTES = 40 };

struct member {
    struct account account;
    uint64_t subreddit; /* their own */
    uint64_t posts[POSTS];
    uint64_t comment; /* on the neighbour's post */
    bool good;
};

struct multi {
    struct forum *forum;
    unsigned first;
    bool quiet;
    struct member members[MULTI_USERS];
};

static struct member *neighbour(struct multi *multi, const struct agent *agent, unsigned distance)
{
    return &multi->members[(agent_index(agent) + distance) % MULTI_USERS];
}

static void say(const struct multi *multi, const struct member *member, const char *what)
{
    if (!multi->quiet) {
        printf("%s: %s: %s\n", member->account.name, what, member->good ? "done" : "FAILED");
        fflush(stdout);
    }
}

static void arrive(struct agent *agent, void *context)
{
    struct multi *multi = context;
    struct member *self = neighbour(multi, agent, 0);
    unsigned number = multi->first + agent_index(agent);
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "loadtest_user_%u", number);
    self->good = forum_register(agent, multi->forum, name, &self->account);
    if (self->good) {
        snprintf(name, sizeof name, "testsub%u", number);
        self->subreddit = forum_create(agent, multi->forum, &self->account, name, "One of the load test's");
        self->good = self->subreddit != 0;
    }
    say(multi, self, "registered and made a subreddit");
}

static bool join_several(struct agent *agent, struct multi *multi)
{
    const struct member *self = neighbour(multi, agent, 0);
    const struct record_item *own = record_find(multi->forum->record, ID_SUBREDDIT, self->subreddit);
    bool good = true;

    for (unsigned i = 0; i < JOINED && good; i++) {
        /* Of a subreddit that they made themselves they are a member. */
        if (i > 0 || !own->own) {
            good = forum_join(agent, multi->forum, &self->account, neighbour(multi, agent, i)->subreddit);
        }
    }
    return good;
}

static void join_and_post(struct agent *agent, void *context)
{
    struct multi *multi = context;
    struct member *self = neighbour(multi, agent, 0);

    self->good = join_several(agent, multi);
    for (unsigned i = 0; i < POSTS && self->good; i++) {
        char title[TEXT_BYTES];
        struct forum_post post = {.subreddit = neighbour(multi, agent, i)->subreddit,
                                  .title = title,
                                  .content = "Written while others write."};

        snprintf(title, sizeof title, "Post %u by %s in run %s", i + 1, self->account.name,
                 multi->forum->run);
        self->posts[i] = forum_post(agent, multi->forum, &self->account, &post);
        self->good = self->posts[i] != 0;
    }
    say(multi, self, "joined three subreddits and wrote three posts");
}

static void discuss(struct agent *agent, void *context)
{
    struct multi *multi = context;
    struct forum *forum = multi->forum;
    struct member *self = neighbour(multi, agent, 0);
    const struct member *next = neighbour(multi, agent, 1), *other = neighbour(multi, agent, 2);
    char text[TEXT_BYTES];
    struct forum_comment comment = {.post = next->posts[0], .content = text};

    snprintf(text, sizeof text, "%s was here in run %s", self->account.name, forum->run);
    self->comment = forum_comment(agent, forum, &self->account, &comment);
    comment.parent = self->comment;
    self->good =
        self->comment != 0 && forum_comment(agent, forum, &self->account, &comment) != 0 &&
        forum_vote(agent, forum, &self->account, ID_POST, next->posts[0], VOTE_UP) &&
        forum_vote(agent, forum, &self->account, ID_POST, other->posts[0], VOTE_UP) &&
        forum_vote(agent, forum, &self->account, ID_POST, other->posts[1], VOTE_DOWN) &&
        forum_vote(agent, forum, &self->account, ID_COMMENT, self->comment, VOTE_UP) &&
        forum_repost(agent, forum, &self->account, other->posts[2], other->posts[2], self->subreddit) != 0 &&
        forum_message(agent, forum, &self->account, next->account.id, text, 0) != 0;
    say(multi, self, "commented, voted, reposted and sent a message");
}

static void read_feed(struct agent *agent, void *context)
{
    struct multi *multi = context;
    struct member *self = neighbour(multi, agent, 0);
    const struct record_item *user = record_find(multi->forum->record, ID_USER, self->account.id);
    uint64_t joined[JOINED];
    struct answer answer;

    for (unsigned i = 0; i < JOINED; i++) {
        joined[i] = neighbour(multi, agent, i)->subreddit;
    }
    self->good = forum_feed(agent, multi->forum, &self->account, &answer);
    /* Someone who was there before may have joined more. */
    if (self->good && user->own) {
        self->good = feed_holds_only(&answer, self->account.name, joined, JOINED);
    }
    answer_clear(&answer);
    say(multi, self, "read the feed");
}

bool multi_run(struct forum *forum, unsigned first, bool quiet)
{
    static agent_main *const stages[] = {arrive, join_and_post, discuss, read_feed};
    struct multi multi = {.forum = forum, .first = first, .quiet = quiet};
    bool good = true;

    for (size_t stage = 0; stage < ARRAY_LEN(stages) && good; stage++) {
        client_run(forum->client, MULTI_USERS, stages[stage], &multi);
        for (unsigned i = 0; i < MULTI_USERS; i++) {
            good = good && multi.members[i].good;
        }
    }
    for (unsigned i = 0; i < MULTI_USERS; i++) {
        account_clear(&multi.members[i].account);
    }
    printf("multi: users %u to %u: %s\n", first, first + MULTI_USERS - 1, good ? "complete" : "FAILED");
    return good;
}
