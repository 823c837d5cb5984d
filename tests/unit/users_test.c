/* Each handler and fold of the users domain, alone. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "engined/domain.h"
#include "engined/users/presence.h"
#include "proto/comments.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/users.pb-c.h"
#include "tests/unit/harness.h"

#define UNKNOWN 77

static enum status create_status(struct harness *harness, const char *username, Pb__UserRegistered **reply)
{
    Pb__UsersCreate request = PB__USERS_CREATE__INIT;
    request.username = (char *)username;
    return harness_run(harness, 0, "", COMMAND_ID_users_create, &request.base, (ProtobufCMessage **)reply);
}

static Pb__UserRegistered *create(struct harness *harness, const char *username)
{
    Pb__UserRegistered *registered = NULL;
    cr_assert_eq(create_status(harness, username, &registered), STATUS_OK);
    return registered;
}

static enum status get(struct harness *harness, uint64_t user_id, Pb__UserProfile **profile)
{
    Pb__UsersGet request = PB__USERS_GET__INIT;
    request.has_user_id = true;
    request.user_id = user_id;
    return harness_run(harness, 0, "", COMMAND_ID_users_get, &request.base, (ProtobufCMessage **)profile);
}

static enum status get_by_name(struct harness *harness, const char *username, Pb__UserProfile **profile)
{
    Pb__UsersGetByName request = PB__USERS_GET_BY_NAME__INIT;
    request.username = (char *)username;
    return harness_run(harness, 0, "", COMMAND_ID_users_get_by_name, &request.base,
                       (ProtobufCMessage **)profile);
}

static void assert_karma(struct harness *harness, uint64_t user_id, int64_t posts, int64_t comments)
{
    Pb__UserProfile *profile = NULL;
    cr_assert_eq(get(harness, user_id, &profile), STATUS_OK);
    cr_assert_eq(profile->post_karma, posts, "post karma %" PRId64, profile->post_karma);
    cr_assert_eq(profile->comment_karma, comments, "comment karma %" PRId64, profile->comment_karma);
    cr_assert_eq(profile->karma, posts + comments);
}

static bool is_online(struct harness *harness, uint64_t user_id)
{
    Pb__UserProfile *profile = NULL;
    cr_assert_eq(get(harness, user_id, &profile), STATUS_OK);
    cr_assert(profile->has_is_online);
    return profile->is_online;
}

static void touch(struct harness *harness, size_t count, uint64_t *user_ids)
{
    Pb__UsersTouch request = PB__USERS_TOUCH__INIT;
    request.n_user_ids = count;
    request.user_ids = user_ids;
    cr_assert_eq(harness_run(harness, 0, "", COMMAND_ID_users_touch, &request.base, NULL), STATUS_OK);
}

static Pb__PostVoteChanged post_vote(uint64_t author_id, int old_vote, int new_vote)
{
    Pb__PostVoteChanged event = PB__POST_VOTE_CHANGED__INIT;
    event.has_author_id = event.has_old_vote = event.has_new_vote = true;
    event.author_id = author_id;
    event.old_vote = old_vote;
    event.new_vote = new_vote;
    return event;
}

static void feed_post_vote(struct harness *harness, uint64_t author_id, int old_vote, int new_vote)
{
    Pb__PostVoteChanged event = post_vote(author_id, old_vote, new_vote);
    harness_feed_event(harness, DOMAIN_POSTS, &event.base);
}

static void feed_comment_vote(struct harness *harness, uint64_t author_id, int old_vote, int new_vote)
{
    Pb__CommentVoteChanged event = PB__COMMENT_VOTE_CHANGED__INIT;
    event.has_author_id = event.has_old_vote = event.has_new_vote = true;
    event.author_id = author_id;
    event.old_vote = old_vote;
    event.new_vote = new_vote;
    harness_feed_event(harness, DOMAIN_COMMENTS, &event.base);
}

Test(users_create, answers_with_the_new_user_and_counts_ids_from_one_without_gaps)
{
    struct harness *harness = harness_open(&users_domain);
    Pb__UserRegistered *ann = create(harness, "Ann_1");
    cr_assert(ann->has_user_id && ann->has_karma && ann->has_created_at);
    cr_assert_eq(ann->user_id, 1);
    cr_assert_str_eq(ann->username, "Ann_1");
    cr_assert_eq(ann->karma, 0);
    cr_assert_eq(ann->created_at, harness_now_ms(harness));
    cr_assert_null(ann->public_key);
    cr_assert_not(ann->has_key_algorithm);
    struct token token;
    cr_assert(harness_token(harness, ann->token, &token));
    cr_assert(token.user_id == 1 && token.session == 1 &&
              token.expires_ms == token.issued_ms + TOKEN_LIFE_MS);
    cr_assert_str_eq(token.name, "Ann_1");
    cr_assert_eq(create_status(harness, "ann_1", NULL), STATUS_USERNAME_TAKEN);
    cr_assert_eq(create(harness, "bob")->user_id, 2);
    harness_close(harness);
}

Test(users_create, refuses_a_taken_name_whatever_its_case_and_writes_nothing)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "Ann-x");
    uint64_t head = harness_head_seq(harness);
    const char *const taken[] = {"Ann-x", "ann-x", "ANN-X", "aNn-X"};
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        Pb__UserRegistered *none = NULL;
        cr_assert_eq(create_status(harness, taken[i], &none), STATUS_USERNAME_TAKEN, "%s", taken[i]);
        cr_assert_null(none);
    }
    cr_assert_eq(harness_head_seq(harness), head);
    cr_assert_eq(create(harness, "Ann_x")->user_id, 2);
    cr_assert_eq(create(harness, "Ann-xx")->user_id, 3);
    harness_close(harness);
}

Test(users_create, without_a_name_is_not_understood)
{
    struct harness *harness = harness_open(&users_domain);
    cr_assert_eq(create_status(harness, NULL, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 0);
    harness_close(harness);
}

Test(users_create, under_one_key_registers_once)
{
    struct harness *harness = harness_open(&users_domain);
    Pb__UsersCreate request = PB__USERS_CREATE__INIT;
    request.username = (char *)"ann";
    for (int i = 0; i < 2; i++) {
        bool replayed = false;
        Pb__UserRegistered *registered = NULL;
        cr_assert_eq(harness_run_keyed(harness, 0, "", COMMAND_ID_users_create, &request.base, "k",
                                       (ProtobufCMessage **)&registered, &replayed),
                     STATUS_OK);
        cr_assert_eq(replayed, i == 1);
        cr_assert_eq(registered->user_id, 1);
    }
    cr_assert_eq(harness_head_seq(harness), 1);
    harness_close(harness);
}

Test(users_get, shows_the_profile_by_id_and_by_name_in_any_case)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "bob");
    create(harness, "Ann_A");
    const char *const names[] = {"Ann_A", "ann_a", "ANN_A"};
    for (size_t i = 0; i <= ARRAY_LEN(names); i++) {
        Pb__UserProfile *profile = NULL;
        enum status status =
            i < ARRAY_LEN(names) ? get_by_name(harness, names[i], &profile) : get(harness, 2, &profile);
        cr_assert_eq(status, STATUS_OK);
        cr_assert(profile->has_user_id && profile->has_created_at && profile->has_is_online);
        cr_assert(profile->has_karma && profile->has_post_karma && profile->has_comment_karma);
        cr_assert_eq(profile->user_id, 2);
        cr_assert_str_eq(profile->username, "Ann_A");
        cr_assert_eq(profile->created_at, harness_now_ms(harness));
        cr_assert_eq(profile->karma, 0);
        cr_assert_eq(profile->n_joined_subreddits, 0);
    }
    harness_close(harness);
}

Test(users_get, refuses_ids_and_names_of_nobody)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "ann");
    const char *const nobody[] = {"", "an", "ann ", "ann%", "a_n", "\xc3\x84nn", "annannannannannannannann"};
    for (size_t i = 0; i < ARRAY_LEN(nobody); i++)
        cr_assert_eq(get_by_name(harness, nobody[i], NULL), STATUS_USER_NOT_FOUND, "%s", nobody[i]);
    const uint64_t ids[] = {0, 2, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        cr_assert_eq(get(harness, ids[i], NULL), STATUS_USER_NOT_FOUND, "%" PRIu64, ids[i]);
    harness_close(harness);
}

static enum status create_with_key(struct harness *harness, const char *username, const char *key,
                                   bool has_algorithm, Pb__UserRegistered **reply)
{
    Pb__UsersCreate request = PB__USERS_CREATE__INIT;
    request.username = (char *)username;
    request.public_key = (char *)key;
    request.has_key_algorithm = has_algorithm;
    request.key_algorithm = PB__KEY_ALGORITHM__ECDSAP256;
    return harness_run(harness, 0, "", COMMAND_ID_users_create, &request.base, (ProtobufCMessage **)reply);
}

static Pb__UserKeys *keys(struct harness *harness, size_t count, uint64_t *user_ids)
{
    Pb__UsersKeys request = PB__USERS_KEYS__INIT;
    Pb__UserKeys *found = NULL;
    request.n_user_ids = count;
    request.user_ids = user_ids;
    cr_assert_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_keys, &request.base, (ProtobufCMessage **)&found),
        STATUS_OK);
    return found;
}

static void assert_key(const Pb__UserKey *key, uint64_t user_id, const char *username, const char *text)
{
    cr_assert_eq(key->user_id, user_id);
    cr_assert_str_eq(key->username, username);
    cr_assert_eq(key->has_key_algorithm, text != NULL);
    cr_assert_eq(key->public_key != NULL, text != NULL);
    if (text != NULL) {
        cr_assert_str_eq(key->public_key, text);
        cr_assert_eq(key->key_algorithm, PB__KEY_ALGORITHM__ECDSAP256);
    }
}

Test(users_create, keeps_the_key_also_over_a_restart_and_a_rebuild)
{
    struct harness *harness = harness_open(&users_domain);
    Pb__UserRegistered *ann = NULL;
    cr_assert_eq(create_with_key(harness, "Ann", "anns key", true, &ann), STATUS_OK);
    cr_assert_str_eq(ann->public_key, "anns key");
    cr_assert(ann->has_key_algorithm && ann->key_algorithm == PB__KEY_ALGORITHM__ECDSAP256);
    create(harness, "Bob");
    cr_assert_eq(create_with_key(harness, "ann", "other", true, NULL), STATUS_USERNAME_TAKEN);
    cr_assert(harness_rebuild_is_equal(harness));
    harness_restart(harness);
    uint64_t ids[] = {UNKNOWN, 2, 0, 1};
    Pb__UserKeys *found = keys(harness, ARRAY_LEN(ids), ids);
    cr_assert_eq(found->n_items, 2);
    assert_key(found->items[0], 2, "Bob", NULL);
    assert_key(found->items[1], 1, "Ann", "anns key");
    Pb__UsersGet request = PB__USERS_GET__INIT;
    Pb__UserKey *key = NULL;
    request.has_user_id = true;
    request.user_id = 1;
    cr_assert_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_get_key, &request.base, (ProtobufCMessage **)&key),
        STATUS_OK);
    assert_key(key, 1, "Ann", "anns key");
    harness_close(harness);
}

Test(users_create, does_not_understand_a_key_without_its_algorithm)
{
    struct harness *harness = harness_open(&users_domain);
    cr_assert_eq(create_with_key(harness, "Ann", "anns key", false, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(create_with_key(harness, "Ann", NULL, true, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 0);
    harness_close(harness);
}

Test(users_keys, of_nobody_are_none)
{
    struct harness *harness = harness_open(&users_domain);
    cr_assert_eq(keys(harness, 0, NULL)->n_items, 0);
    harness_close(harness);
}

Test(users_get_key, says_that_there_is_none)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "Ann");
    Pb__UsersGet request = PB__USERS_GET__INIT;
    request.has_user_id = true;
    request.user_id = 1;
    Pb__UserKey *key = NULL;
    cr_assert_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_get_key, &request.base, (ProtobufCMessage **)&key),
        STATUS_OK);
    cr_assert(key->has_user_id);
    cr_assert_eq(key->user_id, 1);
    cr_assert_str_eq(key->username, "Ann");
    cr_assert_null(key->public_key);
    cr_assert_not(key->has_key_algorithm);
    request.user_id = UNKNOWN;
    cr_assert_eq(harness_run(harness, 0, "", COMMAND_ID_users_get_key, &request.base, NULL),
                 STATUS_USER_NOT_FOUND);
    harness_close(harness);
}

Test(users_resolve, gives_names_for_known_ids_in_their_order_and_leaves_out_others)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "ann");
    create(harness, "Bob");
    uint64_t ids[] = {UNKNOWN, 2, 0, 1, 2};
    Pb__UsersResolve request = PB__USERS_RESOLVE__INIT;
    request.n_user_ids = ARRAY_LEN(ids);
    request.user_ids = ids;
    Pb__UsersResolved *resolved = NULL;
    cr_assert_eq(
        harness_run(harness, 0, "", COMMAND_ID_users_resolve, &request.base, (ProtobufCMessage **)&resolved),
        STATUS_OK);
    const uint64_t found[] = {2, 1, 2};
    const char *const names[] = {"Bob", "ann", "Bob"};
    cr_assert_eq(resolved->n_user_ids, ARRAY_LEN(found));
    cr_assert_eq(resolved->n_usernames, ARRAY_LEN(found));
    for (size_t i = 0; i < ARRAY_LEN(found); i++) {
        cr_assert_eq(resolved->user_ids[i], found[i]);
        cr_assert_str_eq(resolved->usernames[i], names[i]);
    }
    harness_close(harness);
}

Test(users_presence, is_online_for_five_minutes_after_registering_or_acting)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "ann");
    create(harness, "bob");
    cr_assert(is_online(harness, 1));
    harness_advance_ms(harness, PRESENCE_ONLINE_MS);
    cr_assert(is_online(harness, 1));
    harness_advance_ms(harness, 1);
    cr_assert_not(is_online(harness, 1));
    touch(harness, 3, (uint64_t[]){2, 0, UNKNOWN});
    cr_assert_not(is_online(harness, 1));
    cr_assert(is_online(harness, 2));
    cr_assert_eq(get(harness, UNKNOWN, NULL), STATUS_USER_NOT_FOUND);
    harness_advance_ms(harness, PRESENCE_ONLINE_MS - 1);
    touch(harness, 1, (uint64_t[]){2});
    harness_advance_ms(harness, PRESENCE_ONLINE_MS);
    cr_assert(is_online(harness, 2));
    harness_restart(harness);
    cr_assert_not(is_online(harness, 2), "presence is in memory alone");
    harness_close(harness);
}

Test(users_presence, keeps_a_million_users_and_makes_room_for_more_by_forgetting_the_oldest)
{
    struct presence *presence = presence_new();
    const uint64_t now_ms = 1700000000000, million = 1000000;
    for (uint64_t id = 1; id <= million; id++)
        presence_touch(presence, id, now_ms);
    for (uint64_t id = 1; id <= million; id++)
        cr_assert(presence_is_online(presence, id, now_ms), "%" PRIu64, id);
    cr_assert_not(presence_is_online(presence, million + 1, now_ms));
    /* All of one bucket: the last PRESENCE_WAYS stay. */
    for (uint64_t i = 0; i <= PRESENCE_WAYS; i++)
        presence_touch(presence, 5 + i * PRESENCE_BUCKETS, now_ms + 1 + i);
    cr_assert_not(presence_is_online(presence, 5, now_ms + 9));
    for (uint64_t i = 1; i <= PRESENCE_WAYS; i++)
        cr_assert(presence_is_online(presence, 5 + i * PRESENCE_BUCKETS, now_ms + 9));
    presence_free(presence);
}

Test(users_karma, is_the_sum_of_votes_on_posts_and_on_comments)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "ann");
    create(harness, "bob");
    feed_post_vote(harness, 1, 0, 1);
    feed_post_vote(harness, 1, 0, 1);
    feed_post_vote(harness, 2, 0, -1);
    feed_comment_vote(harness, 1, 0, -1);
    assert_karma(harness, 1, 2, -1);
    assert_karma(harness, 2, -1, 0);
    feed_post_vote(harness, 1, 1, -1);
    feed_comment_vote(harness, 1, -1, 0);
    feed_comment_vote(harness, 2, 0, 1);
    assert_karma(harness, 1, 0, 0);
    assert_karma(harness, 2, -1, 1);
    harness_restart(harness);
    assert_karma(harness, 1, 0, 0);
    assert_karma(harness, 2, -1, 1);
    harness_close(harness);
}

Test(users_karma, takes_votes_that_are_heard_of_before_their_author_is_asked_for)
{
    struct harness *harness = harness_open(&users_domain);
    feed_post_vote(harness, 1, 0, 1);
    create(harness, "ann");
    assert_karma(harness, 1, 1, 0);
    harness_close(harness);
}

Test(users_karma, of_one_source_is_forgotten_with_that_source_alone)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "ann");
    for (int i = 0; i < 3; i++) {
        feed_post_vote(harness, 1, 0, 1);
        feed_comment_vote(harness, 1, 0, -1);
    }
    harness_reset_source(harness, DOMAIN_POSTS);
    feed_post_vote(harness, 1, 0, 1);
    assert_karma(harness, 1, 1, -3);
    harness_reset_source(harness, DOMAIN_COMMENTS);
    feed_comment_vote(harness, 1, 0, 1);
    assert_karma(harness, 1, 1, 1);
    harness_close(harness);
}

/* One pull of many votes. The harness pulls each event alone, so this asks the fold itself. */
Test(users_karma, of_one_pull_is_summed_up_per_author)
{
    struct store *store = store_open(":memory:", "users", STORE_SYNC_FULL);
    store_migrate(store, users_domain.migrations, users_domain.migration_count, NULL, NULL);
    void *state = users_domain.open(store);
    struct arena *arena = arena_new();
    static const struct {
        uint64_t author_id;
        int old_vote, new_vote;
    } votes[] = {{3, 0, 1}, {1, 0, 1}, {3, -1, 1}, {2, 0, 1}, {1, 0, -1}, {3, 0, 1}, {2, 1, -1}};
    Pb__PostVoteChanged messages[ARRAY_LEN(votes)];
    struct followed_event events[ARRAY_LEN(votes)];
    for (size_t i = 0; i < ARRAY_LEN(votes); i++) {
        messages[i] = post_vote(votes[i].author_id, votes[i].old_vote, votes[i].new_vote);
        events[i] = (struct followed_event){.seq = i + 1, .message = &messages[i].base};
    }
    cr_assert(store_begin(store));
    users_domain.follows[0].fold(state, arena, events, ARRAY_LEN(events));
    struct query *sums = store_prepare(store, "SELECT user_id, karma FROM karma_from_posts");
    cr_assert(query_row(sums));
    cr_assert_eq(query_u64(sums, 0), 2);
    cr_assert_eq(query_i64(sums, 1), -1);
    cr_assert(query_row(sums));
    cr_assert_eq(query_u64(sums, 0), 3);
    cr_assert_eq(query_i64(sums, 1), 4);
    cr_assert_not(query_row(sums), "what cancels out is not written");
    cr_assert(store_commit(store));
    users_domain.close(state);
    arena_free(arena);
    store_close(store);
}

Test(users, go_on_where_they_were_after_a_restart)
{
    struct harness *harness = harness_open(&users_domain);
    create(harness, "ann");
    create(harness, "bob");
    harness_restart(harness);
    cr_assert_eq(create_status(harness, "ANN", NULL), STATUS_USERNAME_TAKEN);
    cr_assert_eq(create(harness, "carl")->user_id, 3);
    Pb__UserProfile *profile = NULL;
    cr_assert_eq(get_by_name(harness, "BOB", &profile), STATUS_OK);
    cr_assert_eq(profile->user_id, 2);
    harness_close(harness);
}

Test(users, are_rebuilt_from_the_event_log)
{
    struct harness *harness = harness_open(&users_domain);
    for (int i = 0; i < 30; i++) {
        char name[16];
        snprintf(name, sizeof(name), "User_%d", i);
        create(harness, name);
        harness_advance_ms(harness, 7);
    }
    feed_post_vote(harness, 1, 0, 1);
    cr_assert(harness_rebuild_is_equal(harness));
    cr_assert_eq(create(harness, "next")->user_id, 31);
    assert_karma(harness, 1, 1, 0);
    harness_close(harness);
}
