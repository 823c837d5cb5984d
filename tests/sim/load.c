#include "tests/sim/load.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/load_world.h"
#include "tests/sim/memory.h"
#include "tests/sim/progress.h"

enum {
    NAME_BYTES = 40, /* room for any number */
    TEXT_BYTES = 200,
    NOBODY_PAUSE_US = 1000,
    REPLY_DEPTH_MAX = 10,
    JOIN_TRIES = 8,
};

struct load {
    struct forum *forum;
    const struct load_options *options;
    struct load_world *world;
    struct progress progress;
    uint64_t start_us, end_us; /* end_us 0: none */
    uint64_t started;          /* operations */
    uint64_t written;          /* texts, each unlike all others */
    uint64_t newcomers;
    bool failed;             /* the setup */
    size_t next;             /* of the setup's list */
    uint32_t pair_subreddit; /* setup: the membership to decide next */
    uint64_t pair_user;
};

/* ---- setup ---- */

static bool setup_goes_on(const struct load *load)
{
    return !load->failed && !client_stopping(load->forum->client);
}

static void register_users(struct agent *agent, void *context)
{
    struct load *load = context;

    while (load->next < load->options->users && setup_goes_on(load)) {
        size_t number = load->next++;
        char name[NAME_BYTES];

        snprintf(name, sizeof name, "l_%s_%zu", load->forum->tag, number + 1);
        if (!forum_register(agent, load->forum, name, &load->world->users[number].account)) {
            load->failed = true;
        }
        progress_bar(&load->progress, "load: users", load->next, load->options->users);
    }
}

static void create_subreddits(struct agent *agent, void *context)
{
    struct load *load = context;

    while (load->next < load->options->subreddits && setup_goes_on(load)) {
        size_t number = load->next++;
        struct load_user *creator = &load->world->users[number % load->options->users];
        char name[NAME_BYTES];

        snprintf(name, sizeof name, "l_%s_s%zu", load->forum->tag, number + 1);
        load->world->subreddits[number].id =
            forum_create(agent, load->forum, &creator->account, name, "A subreddit of a load test");
        if (load->world->subreddits[number].id == 0) {
            load->failed = true;
        } else {
            load_user_join(creator, (uint32_t)number);
        }
        progress_bar(&load->progress, "load: subreddits", load->next, load->options->subreddits);
    }
}

/*
 * Each user is in the subreddit of rank r with a probability of 1 / r^s. Steps from one member to the next by
 * the geometric distribution of the gaps between them. False when all pairs are decided.
 */
static bool next_membership(struct load *load, uint32_t *subreddit, uint64_t *user)
{
    while (load->pair_subreddit < load->options->subreddits) {
        double chance = pow((double)(load->pair_subreddit + 1), -load->options->zipf);
        double gap = chance < 1 ? log(1 - random_unit(&load->world->random)) / log(1 - chance) : 0;

        if (gap < (double)(load->options->users - load->pair_user)) {
            *subreddit = load->pair_subreddit;
            *user = load->pair_user + (uint64_t)gap;
            load->pair_user = *user + 1;
            return true;
        }
        load->pair_subreddit++;
        load->pair_user = 0;
    }
    return false;
}

static void join_subreddits(struct agent *agent, void *context)
{
    struct load *load = context;
    uint32_t subreddit;
    uint64_t number;

    while (setup_goes_on(load) && next_membership(load, &subreddit, &number)) {
        struct load_user *user = &load->world->users[number];

        if (load_user_is_in(user, subreddit)) {
            continue; /* made it */
        }
        if (forum_join(agent, load->forum, &user->account, load->world->subreddits[subreddit].id)) {
            load_user_join(user, subreddit);
        } else {
            load->failed = true;
        }
        progress_bar(&load->progress, "load: memberships of subreddit", subreddit, load->options->subreddits);
    }
}

static bool set_up(struct load *load)
{
    static agent_main *const stages[] = {register_users, create_subreddits, join_subreddits};

    for (size_t i = 0; i < ARRAY_LEN(stages) && setup_goes_on(load); i++) {
        load->next = 0;
        client_run(load->forum->client, load->options->clients, stages[i], load);
    }
    progress_end(&load->progress);
    printf("load: set up %u users, %u subreddits, %" PRIu64 " joins in %.2f s\n", load->options->users,
           load->options->subreddits, stats_operation_count(load->forum->stats, OPERATION_JOIN),
           stats_elapsed_s(load->forum->stats));
    fflush(stdout);
    if (load->failed) {
        stats_report(load->forum->stats, stdout);
        fprintf(stderr, "forumd-sim: the load's users and subreddits could not all be made\n");
    }
    return setup_goes_on(load);
}

/* ---- operations: each false if the user finds nothing to do it with ---- */

static void write_text(struct load *load, char text[TEXT_BYTES], const char *what,
                       const struct load_user *user)
{
    snprintf(text, TEXT_BYTES, "%s %" PRIu64 " of run %s by %s", what, ++load->written, load->forum->run,
             user->account.name);
}

static bool do_post(struct agent *agent, struct load *load, struct load_user *user)
{
    char title[TEXT_BYTES];
    struct forum_post post = {.title = title, .content = "Written under load."};
    uint32_t subreddit;
    uint64_t id;

    if (!load_world_pick_joined(load->world, user, &subreddit)) {
        return false;
    }
    write_text(load, title, "Post", user);
    post.subreddit = load->world->subreddits[subreddit].id;
    id = forum_post(agent, load->forum, &user->account, &post);
    if (id != 0) {
        load_world_add_post(load->world, subreddit, (struct load_post){.id = id, .original = id});
    }
    return true;
}

static bool do_comment(struct agent *agent, struct load *load, struct load_user *user)
{
    char text[TEXT_BYTES];
    struct forum_comment comment = {.content = text};
    struct load_comment made = {0};
    const struct load_comment *parent;
    const struct load_post *post;
    uint32_t subreddit;

    if (!load_world_pick_joined(load->world, user, &subreddit)) {
        return false;
    }
    post = load_world_pick_post(load->world, subreddit);
    parent = load_world_pick_comment(load->world, subreddit);
    if (post == NULL) {
        return false;
    }
    made.post = post->id;
    if (parent != NULL && parent->depth < REPLY_DEPTH_MAX && random_below(&load->world->random, 2) == 0) {
        comment.parent = parent->id;
        made.post = parent->post;
        made.depth = parent->depth + 1;
    }
    comment.post = made.post;
    write_text(load, text, "Comment", user);
    made.id = forum_comment(agent, load->forum, &user->account, &comment);
    if (made.id != 0) {
        load_world_add_comment(load->world, subreddit, made);
    }
    return true;
}

static bool do_vote(struct agent *agent, struct load *load, struct load_user *user)
{
    uint64_t die = random_below(&load->world->random, 100);
    unsigned state = die < 75 ? VOTE_UP : die < 95 ? VOTE_DOWN : VOTE_NONE;
    const struct load_comment *comment;
    const struct load_post *post;
    uint32_t subreddit;

    if (!load_world_pick_joined(load->world, user, &subreddit)) {
        return false;
    }
    post = load_world_pick_post(load->world, subreddit);
    comment = load_world_pick_comment(load->world, subreddit);
    if (post == NULL) {
        return false;
    }
    if (comment != NULL && random_below(&load->world->random, 2) == 0) {
        forum_vote(agent, load->forum, &user->account, ID_COMMENT, comment->id, state);
    } else {
        forum_vote(agent, load->forum, &user->account, ID_POST, post->id, state);
    }
    return true;
}

static bool do_repost(struct agent *agent, struct load *load, struct load_user *user)
{
    const struct load_post *post;
    struct load_post made;
    uint32_t from, to;

    if (!load_world_pick_joined(load->world, user, &from) ||
        !load_world_pick_joined(load->world, user, &to)) {
        return false;
    }
    post = load_world_pick_post(load->world, from);
    if (post == NULL) {
        return false;
    }
    made.original = post->original;
    made.id = forum_repost(agent, load->forum, &user->account, post->id, post->original,
                           load->world->subreddits[to].id);
    if (made.id != 0) {
        load_world_add_post(load->world, to, made);
    }
    return true;
}

/* Someone who is in all the popular ones leaves one, for others to have something to join again. */
static bool do_join(struct agent *agent, struct load *load, struct load_user *user)
{
    uint32_t subreddit = 0;

    for (unsigned tries = 0; tries < JOIN_TRIES; tries++) {
        subreddit = load_world_pick_subreddit(load->world);
        if (!load_user_is_in(user, subreddit)) {
            if (forum_join(agent, load->forum, &user->account, load->world->subreddits[subreddit].id)) {
                load_user_join(user, subreddit);
            }
            return true;
        }
    }
    if (user->joined_count < 2) {
        return false;
    }
    if (forum_leave(agent, load->forum, &user->account, load->world->subreddits[subreddit].id)) {
        load_user_leave(user, subreddit);
    }
    return true;
}

static bool do_message(struct agent *agent, struct load *load, struct load_user *user)
{
    struct load_user *to = &load->world->users[random_below(&load->world->random, load->options->users)];
    bool answering = user->last_message != 0 && random_below(&load->world->random, 3) == 0;
    uint64_t recipient = answering ? user->last_sender : to->account.id;
    char text[TEXT_BYTES];
    uint64_t id;

    if (recipient == user->account.id || recipient == 0) {
        return false;
    }
    write_text(load, text, "Message", user);
    id = forum_message(agent, load->forum, &user->account, recipient, text,
                       answering ? user->last_message : 0);
    if (id != 0 && !answering) {
        to->last_message = id;
        to->last_sender = user->account.id;
    }
    return true;
}

static const struct {
    bool (*run)(struct agent *agent, struct load *load, struct load_user *user);
    unsigned percent;
} mix[] = {{do_post, 20}, {do_comment, 20}, {do_vote, 20}, {do_repost, 15}, {do_join, 15}, {do_message, 10}};

static void register_newcomer(struct agent *agent, struct load *load)
{
    struct account account = {0};
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "n_%s_%" PRIu64, load->forum->tag, ++load->newcomers);
    (void)!forum_register(agent, load->forum, name, &account); /* a failure is in the statistics */
    account_clear(&account);
}

static void operate(struct agent *agent, struct load *load, struct load_user *user)
{
    uint64_t die = random_below(&load->world->random, 100);
    size_t chosen = 0;

    if (user->returning) {
        struct answer answer;

        user->returning = false;
        forum_feed(agent, load->forum, &user->account, &answer);
        answer_clear(&answer);
        (void)forum_profile(agent, load->forum, &user->account);
        return;
    }
    if (load->options->newcomers > 0 && random_unit(&load->world->random) < load->options->newcomers) {
        register_newcomer(agent, load);
        return;
    }
    while (die >= mix[chosen].percent) {
        die -= mix[chosen++].percent;
    }
    /* In the beginning there is nothing to answer or vote on; one who is in no subreddit joins one. */
    if (!mix[chosen].run(agent, load, user) && !do_post(agent, load, user)) {
        (void)do_join(agent, load, user);
    }
}

/* ---- the load ---- */

static bool load_goes_on(const struct load *load, uint64_t at_us)
{
    return !client_stopping(load->forum->client) && (load->end_us == 0 || at_us < load->end_us) &&
           (load->options->operations == 0 || load->started < load->options->operations);
}

static void show_progress(struct load *load)
{
    const struct stats *stats = load->forum->stats;

    if (progress_due(&load->progress)) {
        progress_line(&load->progress, "load: %.0f s, %" PRIu64 " operations, %.0f/s, %" PRIu64 " errors",
                      stats_elapsed_s(stats), stats_count(stats),
                      (double)stats_count(stats) / stats_elapsed_s(stats), stats_errors(stats));
    }
}

/* Open loop: the n-th operation is due at n / rate, and its time counts from there. */
static uint64_t due_at(const struct load *load, uint64_t now_us)
{
    return load->options->rate > 0 ? load->start_us + load->started * 1000000 / load->options->rate : now_us;
}

static void apply_load(struct agent *agent, void *context)
{
    struct load *load = context;

    for (;;) {
        uint64_t due_us = due_at(load, client_now_us());
        struct load_user *user;

        if (!load_goes_on(load, due_us)) {
            return;
        }
        load->started++;
        agent_sleep_until(agent, due_us);
        while ((user = load_world_pick_user(load->world, client_now_us())) == NULL) {
            agent_sleep_until(agent, client_now_us() + NOBODY_PAUSE_US);
            if (client_stopping(load->forum->client) ||
                (load->end_us != 0 && client_now_us() >= load->end_us)) {
                return;
            }
        }
        agent_set_due(agent, load->options->rate > 0 ? due_us : 0);
        operate(agent, load, user);
        user->busy = false;
        show_progress(load);
    }
}

bool load_run(struct forum *forum, const struct load_options *options)
{
    struct load load = {.forum = forum, .options = options, .world = load_world_new(options)};
    bool good;

    progress_start(&load.progress, options->quiet);
    good = set_up(&load);
    if (good) {
        stats_reset(forum->stats);
        load.start_us = client_now_us();
        load.end_us = options->duration_s > 0 ? load.start_us + (uint64_t)options->duration_s * 1000000 : 0;
        client_run(forum->client, options->clients, apply_load, &load);
        progress_end(&load.progress);
        stats_report(forum->stats, stdout);
        good = stats_count(forum->stats) > stats_errors(forum->stats);
    }
    load_world_free(load.world);
    return good;
}
