#include "tests/sim/load_world.h"

#include <math.h>
#include <stdlib.h>

#include "tests/sim/memory.h"

enum { TRIES = 64 };

struct load_world *load_world_new(const struct load_options *options)
{
    struct load_world *world = mem_zeroed(1, sizeof *world);

    world->options = options;
    world->users = mem_zeroed(options->users, sizeof world->users[0]);
    world->subreddits = mem_zeroed(options->subreddits, sizeof world->subreddits[0]);
    world->popularity = zipf_new(options->subreddits, options->zipf);
    random_seed(&world->random, options->seed);
    return world;
}

void load_world_free(struct load_world *world)
{
    for (size_t i = 0; i < world->options->users; i++) {
        account_clear(&world->users[i].account);
        free(world->users[i].joined);
    }
    for (size_t i = 0; i < world->options->subreddits; i++) {
        free(world->subreddits[i].posts);
        free(world->subreddits[i].comments);
    }
    free(world->users);
    free(world->subreddits);
    zipf_free(world->popularity);
    free(world);
}

bool load_user_is_in(const struct load_user *user, uint32_t subreddit)
{
    for (size_t i = 0; i < user->joined_count; i++) {
        if (user->joined[i] == subreddit) {
            return true;
        }
    }
    return false;
}

void load_user_join(struct load_user *user, uint32_t subreddit)
{
    if (!load_user_is_in(user, subreddit)) {
        user->joined =
            mem_grow(user->joined, user->joined_count, &user->joined_capacity, sizeof user->joined[0]);
        user->joined[user->joined_count++] = subreddit;
    }
}

void load_user_leave(struct load_user *user, uint32_t subreddit)
{
    for (size_t i = 0; i < user->joined_count; i++) {
        if (user->joined[i] == subreddit) {
            user->joined[i] = user->joined[--user->joined_count];
            return;
        }
    }
}

/* Times online and offline are exponential, so that `offline` of the users are away at any moment. */
static void let_time_pass(struct load_world *world, struct load_user *user, uint64_t now_us)
{
    double offline = world->options->offline;
    bool first_look = user->turns_at_us == 0;

    if (offline <= 0) {
        return;
    }
    if (first_look) {
        /* The first look: the opposite of what the loop below makes of it. */
        user->offline = random_unit(&world->random) >= offline;
        user->turns_at_us = now_us;
    }
    while (user->turns_at_us <= now_us) {
        double mean_us = LOAD_OFFLINE_MS * 1e3;

        user->offline = !user->offline;
        user->returning = !user->offline;
        mean_us *= user->offline ? 1 : (1 - offline) / offline;
        user->turns_at_us += (uint64_t)(-log(1 - random_unit(&world->random)) * mean_us) + 1;
    }
    user->returning = user->returning && !first_look;
}

struct load_user *load_world_pick_user(struct load_world *world, uint64_t now_us)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        struct load_user *user = &world->users[random_below(&world->random, world->options->users)];

        let_time_pass(world, user, now_us);
        if (!user->offline && !user->busy && user->account.id != 0) {
            user->busy = true;
            return user;
        }
    }
    return NULL;
}

uint32_t load_world_pick_subreddit(struct load_world *world)
{
    return (uint32_t)zipf_draw(world->popularity, &world->random);
}

bool load_world_pick_joined(struct load_world *world, const struct load_user *user, uint32_t *subreddit)
{
    if (user->joined_count == 0) {
        return false;
    }
    for (unsigned tries = 0; tries < TRIES; tries++) {
        *subreddit = load_world_pick_subreddit(world);
        if (load_user_is_in(user, *subreddit)) {
            return true;
        }
    }
    *subreddit = user->joined[random_below(&world->random, user->joined_count)];
    return true;
}

static uint64_t pick_recent(struct load_world *world, uint64_t count)
{
    return random_below(&world->random, count < LOAD_RECENT ? count : LOAD_RECENT);
}

const struct load_post *load_world_pick_post(struct load_world *world, uint32_t subreddit)
{
    const struct load_subreddit *one = &world->subreddits[subreddit];

    return one->post_count > 0 ? &one->posts[pick_recent(world, one->post_count)] : NULL;
}

const struct load_comment *load_world_pick_comment(struct load_world *world, uint32_t subreddit)
{
    const struct load_subreddit *one = &world->subreddits[subreddit];

    return one->comment_count > 0 ? &one->comments[pick_recent(world, one->comment_count)] : NULL;
}

void load_world_add_post(struct load_world *world, uint32_t subreddit, struct load_post post)
{
    struct load_subreddit *one = &world->subreddits[subreddit];

    if (one->posts == NULL) {
        one->posts = mem_zeroed(LOAD_RECENT, sizeof one->posts[0]);
    }
    one->posts[one->post_count++ % LOAD_RECENT] = post;
}

void load_world_add_comment(struct load_world *world, uint32_t subreddit, struct load_comment comment)
{
    struct load_subreddit *one = &world->subreddits[subreddit];

    if (one->comments == NULL) {
        one->comments = mem_zeroed(LOAD_RECENT, sizeof one->comments[0]);
    }
    one->comments[one->comment_count++ % LOAD_RECENT] = comment;
}
