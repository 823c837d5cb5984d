/* Each handler of the subreddits domain, alone. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/attributes.h"
#include "engined/domain.h"
#include "proto/schema_commands.h"
#include "proto/subreddits.pb-c.h"
#include "tests/unit/harness.h"
#include "tests/unit/seed.h"

enum { ANN = 1, BOB = 2, CARL = 3, NOBODY = 0, UNKNOWN = 77 };
enum { SORT_COUNT = 3, MANY = 40 };

static enum status run(struct harness *harness, uint64_t actor, uint16_t command,
                       const ProtobufCMessage *request, void *reply)
{
    return harness_run(harness, actor, actor != NOBODY ? "someone" : "", command, request, reply);
}

static enum status create_status(struct harness *harness, uint64_t actor, const char *name,
                                 const char *description, Pb__Subreddit **reply)
{
    Pb__SubredditsCreate request = PB__SUBREDDITS_CREATE__INIT;
    request.name = (char *)name;
    request.description = (char *)description;
    return run(harness, actor, COMMAND_ID_subreddits_create, &request.base, reply);
}

static Pb__Subreddit *create(struct harness *harness, uint64_t actor, const char *name)
{
    Pb__Subreddit *subreddit = NULL;
    cr_assert_eq(create_status(harness, actor, name, NULL, &subreddit), STATUS_OK);
    return subreddit;
}

static enum status join(struct harness *harness, uint64_t actor, uint64_t subreddit_id,
                        Pb__Membership **membership)
{
    Pb__SubredditsJoin request = PB__SUBREDDITS_JOIN__INIT;
    request.has_subreddit_id = true;
    request.subreddit_id = subreddit_id;
    return run(harness, actor, COMMAND_ID_subreddits_join, &request.base, membership);
}

static enum status leave(struct harness *harness, uint64_t actor, uint64_t subreddit_id,
                         Pb__Membership **membership)
{
    Pb__SubredditsLeave request = PB__SUBREDDITS_LEAVE__INIT;
    request.has_subreddit_id = true;
    request.subreddit_id = subreddit_id;
    return run(harness, actor, COMMAND_ID_subreddits_leave, &request.base, membership);
}

static enum status get(struct harness *harness, uint64_t subreddit_id, Pb__Subreddit **subreddit)
{
    Pb__SubredditsGet request = PB__SUBREDDITS_GET__INIT;
    request.has_subreddit_id = true;
    request.subreddit_id = subreddit_id;
    return run(harness, NOBODY, COMMAND_ID_subreddits_get, &request.base, subreddit);
}

static enum status get_by_name(struct harness *harness, const char *name, Pb__Subreddit **subreddit)
{
    Pb__SubredditsGetByName request = PB__SUBREDDITS_GET_BY_NAME__INIT;
    request.name = (char *)name;
    return run(harness, NOBODY, COMMAND_ID_subreddits_get_by_name, &request.base, subreddit);
}

static Pb__SubredditsOfUser *joined(struct harness *harness, uint64_t user_id)
{
    Pb__SubredditsJoined request = PB__SUBREDDITS_JOINED__INIT;
    request.has_user_id = true;
    request.user_id = user_id;
    Pb__SubredditsOfUser *of_user = NULL;
    cr_assert_eq(run(harness, NOBODY, COMMAND_ID_subreddits_joined, &request.base, &of_user), STATUS_OK);
    return of_user;
}

static enum status list_status(struct harness *harness, Pb__SubredditsList__Sort sort, uint32_t limit,
                               const ProtobufCBinaryData *after, Pb__SubredditPage **page)
{
    Pb__SubredditsList request = PB__SUBREDDITS_LIST__INIT;
    request.has_sort = request.has_limit = true;
    request.sort = sort;
    request.limit = limit;
    if (after != NULL) {
        request.has_after = true;
        request.after = *after;
    }
    return run(harness, NOBODY, COMMAND_ID_subreddits_list, &request.base, page);
}

static Pb__SubredditPage *list(struct harness *harness, Pb__SubredditsList__Sort sort, uint32_t limit,
                               const Pb__SubredditPage *before)
{
    Pb__SubredditPage *page = NULL;
    cr_assert_eq(list_status(harness, sort, limit, before != NULL ? &before->next : NULL, &page), STATUS_OK);
    return page;
}

/* Whether b may stand behind a. */
static bool in_order(Pb__SubredditsList__Sort sort, const Pb__Subreddit *a, const Pb__Subreddit *b)
{
    if (sort == PB__SUBREDDITS_LIST__SORT__name)
        return strcasecmp(a->name, b->name) < 0;
    if (sort == PB__SUBREDDITS_LIST__SORT__popular && a->member_count != b->member_count)
        return a->member_count > b->member_count;
    return a->subreddit_id > b->subreddit_id;
}

Test(subreddits_create, answers_with_the_subreddit_whose_creator_is_its_first_member)
{
    struct harness *harness = harness_open(&subreddits_domain);
    Pb__Subreddit *cats = NULL;
    cr_assert_eq(create_status(harness, BOB, "Cats", "of cats", &cats), STATUS_OK);
    cr_assert(cats->has_subreddit_id && cats->has_creator_id && cats->has_member_count &&
              cats->has_created_at);
    cr_assert_eq(cats->subreddit_id, 1);
    cr_assert_str_eq(cats->name, "Cats");
    cr_assert_str_eq(cats->description, "of cats");
    cr_assert_eq(cats->creator_id, BOB);
    cr_assert_eq(cats->member_count, 1);
    cr_assert_eq(cats->created_at, harness_now_ms(harness));
    cr_assert_eq(joined(harness, BOB)->n_subreddit_ids, 1);
    cr_assert_eq(harness_head_seq(harness), 2, "created, then joined");
    cr_assert_null(create(harness, BOB, "Dogs")->description);
    harness_close(harness);
}

Test(subreddits_create, refuses_a_name_that_exists_in_any_case_and_leaves_no_gap)
{
    struct harness *harness = harness_open(&subreddits_domain);
    create(harness, ANN, "Cats");
    uint64_t head = harness_head_seq(harness);
    const char *const taken[] = {"Cats", "cats", "CATS"};
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        cr_assert_eq(create_status(harness, BOB, taken[i], NULL, NULL), STATUS_SUBREDDIT_EXISTS);
    cr_assert_eq(harness_head_seq(harness), head);
    cr_assert_eq(create(harness, BOB, "cats_")->subreddit_id, 2);
    harness_close(harness);
}

Test(subreddits_create, without_an_actor_or_a_name_is_not_understood)
{
    struct harness *harness = harness_open(&subreddits_domain);
    cr_assert_eq(create_status(harness, NOBODY, "cats", NULL, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(create_status(harness, ANN, NULL, NULL, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), 0);
    harness_close(harness);
}

Test(subreddits_join, counts_each_member_once)
{
    struct harness *harness = harness_open(&subreddits_domain);
    create(harness, ANN, "cats");
    Pb__Membership *membership = NULL;
    cr_assert_eq(join(harness, BOB, 1, &membership), STATUS_OK);
    cr_assert(membership->has_subreddit_id && membership->has_user_id && membership->has_member_count);
    cr_assert_eq(membership->subreddit_id, 1);
    cr_assert_eq(membership->user_id, BOB);
    cr_assert_eq(membership->member_count, 2);
    uint64_t head = harness_head_seq(harness);
    cr_assert_eq(join(harness, BOB, 1, NULL), STATUS_ALREADY_MEMBER);
    cr_assert_eq(join(harness, ANN, 1, NULL), STATUS_ALREADY_MEMBER, "the creator joined by creating");
    cr_assert_eq(join(harness, BOB, 2, NULL), STATUS_SUBREDDIT_NOT_FOUND);
    cr_assert_eq(join(harness, NOBODY, 1, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(harness_head_seq(harness), head);
    harness_close(harness);
}

Test(subreddits_leave, takes_a_member_away_who_may_join_again)
{
    struct harness *harness = harness_open(&subreddits_domain);
    create(harness, ANN, "cats");
    Pb__Membership *membership = NULL;
    cr_assert_eq(leave(harness, BOB, 1, NULL), STATUS_NOT_MEMBER);
    cr_assert_eq(leave(harness, BOB, 2, NULL), STATUS_SUBREDDIT_NOT_FOUND);
    cr_assert_eq(leave(harness, NOBODY, 1, NULL), STATUS_BAD_FRAME);
    cr_assert_eq(leave(harness, ANN, 1, &membership), STATUS_OK);
    cr_assert_eq(membership->user_id, ANN);
    cr_assert_eq(membership->member_count, 0);
    cr_assert(membership->has_member_count);
    cr_assert_eq(leave(harness, ANN, 1, NULL), STATUS_NOT_MEMBER);
    cr_assert_eq(joined(harness, ANN)->n_subreddit_ids, 0);
    cr_assert_eq(join(harness, ANN, 1, &membership), STATUS_OK);
    cr_assert_eq(membership->member_count, 1);
    harness_close(harness);
}

Test(subreddits_get, finds_by_id_and_by_name_in_any_case)
{
    struct harness *harness = harness_open(&subreddits_domain);
    create(harness, ANN, "cats");
    create(harness, BOB, "Dogs_2");
    Pb__Subreddit *subreddit = NULL;
    cr_assert_eq(get(harness, 2, &subreddit), STATUS_OK);
    cr_assert_str_eq(subreddit->name, "Dogs_2");
    cr_assert_eq(get_by_name(harness, "dOGS_2", &subreddit), STATUS_OK);
    cr_assert_eq(subreddit->subreddit_id, 2);
    cr_assert_eq(subreddit->creator_id, BOB);
    const uint64_t ids[] = {0, 3, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        cr_assert_eq(get(harness, ids[i], NULL), STATUS_SUBREDDIT_NOT_FOUND);
    const char *const names[] = {"", "ca", "cats ", "dogs%2", "_cats"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        cr_assert_eq(get_by_name(harness, names[i], NULL), STATUS_SUBREDDIT_NOT_FOUND, "%s", names[i]);
    cr_assert_eq(get_by_name(harness, NULL, NULL), STATUS_BAD_FRAME);
    harness_close(harness);
}

Test(subreddits_joined, gives_ids_ascending)
{
    struct harness *harness = harness_open(&subreddits_domain);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "sub%d", i);
        create(harness, i % 2 == 0 ? ANN : BOB, name);
    }
    cr_assert_eq(join(harness, ANN, 98, NULL), STATUS_OK);
    cr_assert_eq(join(harness, ANN, 2, NULL), STATUS_OK);
    Pb__SubredditsOfUser *of_ann = joined(harness, ANN);
    cr_assert_eq(of_ann->n_subreddit_ids, 52);
    cr_assert_eq(of_ann->subreddit_ids[1], 2);
    for (size_t i = 1; i < of_ann->n_subreddit_ids; i++)
        cr_assert_gt(of_ann->subreddit_ids[i], of_ann->subreddit_ids[i - 1]);
    cr_assert_eq(joined(harness, UNKNOWN)->n_subreddit_ids, 0);
    harness_close(harness);
}

Test(subreddits_resolve, gives_names_for_known_ids_in_their_order_and_leaves_out_others)
{
    struct harness *harness = harness_open(&subreddits_domain);
    create(harness, ANN, "cats");
    create(harness, ANN, "Dogs");
    uint64_t ids[] = {2, UNKNOWN, 1};
    Pb__SubredditsResolve request = PB__SUBREDDITS_RESOLVE__INIT;
    request.n_subreddit_ids = ARRAY_LEN(ids);
    request.subreddit_ids = ids;
    Pb__SubredditsResolved *resolved = NULL;
    cr_assert_eq(run(harness, NOBODY, COMMAND_ID_subreddits_resolve, &request.base, &resolved), STATUS_OK);
    cr_assert_eq(resolved->n_subreddit_ids, 2);
    cr_assert_eq(resolved->n_names, 2);
    cr_assert_eq(resolved->subreddit_ids[0], 2);
    cr_assert_str_eq(resolved->names[0], "Dogs");
    cr_assert_eq(resolved->subreddit_ids[1], 1);
    cr_assert_str_eq(resolved->names[1], "cats");
    harness_close(harness);
}

Test(subreddits_list, has_its_orders)
{
    struct harness *harness = harness_open(&subreddits_domain);
    const char *const names[] = {"bees", "Ants", "dogs", "Cats", "eels"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        create(harness, ANN, names[i]);
    cr_assert_eq(join(harness, BOB, 2, NULL), STATUS_OK);
    cr_assert_eq(join(harness, CARL, 2, NULL), STATUS_OK);
    cr_assert_eq(join(harness, BOB, 4, NULL), STATUS_OK);
    static const uint64_t expected[SORT_COUNT][5] = {
        [PB__SUBREDDITS_LIST__SORT__popular] = {2, 4, 5, 3, 1},
        [PB__SUBREDDITS_LIST__SORT__new] = {5, 4, 3, 2, 1},
        [PB__SUBREDDITS_LIST__SORT__name] = {2, 1, 4, 3, 5},
    };
    for (int sort = 0; sort < SORT_COUNT; sort++) {
        Pb__SubredditPage *page = list(harness, (Pb__SubredditsList__Sort)sort, 100, NULL);
        cr_assert_eq(page->n_items, 5);
        cr_assert_not(page->has_next);
        cr_assert(page->has_total);
        cr_assert_eq(page->total, 5);
        for (size_t i = 0; i < 5; i++)
            cr_assert_eq(page->items[i]->subreddit_id, expected[sort][i], "sort %d place %zu: %" PRIu64, sort,
                         i, page->items[i]->subreddit_id);
    }
    harness_close(harness);
}

Test(subreddits_list, is_empty_at_first_and_ends_exactly_at_a_full_page)
{
    struct harness *harness = harness_open(&subreddits_domain);
    for (int sort = 0; sort < SORT_COUNT; sort++) {
        Pb__SubredditPage *page = list(harness, (Pb__SubredditsList__Sort)sort, 2, NULL);
        cr_assert_eq(page->n_items, 0);
        cr_assert(page->has_total);
        cr_assert_eq(page->total, 0);
        cr_assert_not(page->has_next);
    }
    create(harness, ANN, "one");
    create(harness, ANN, "two");
    for (int sort = 0; sort < SORT_COUNT; sort++) {
        Pb__SubredditPage *page = list(harness, (Pb__SubredditsList__Sort)sort, 2, NULL);
        cr_assert_eq(page->n_items, 2);
        cr_assert_not(page->has_next, "there is nothing behind");
        page = list(harness, (Pb__SubredditsList__Sort)sort, 1, NULL);
        cr_assert_eq(page->n_items, 1);
        cr_assert(page->has_next);
    }
    harness_close(harness);
}

Test(subreddits_list, refuses_cursors_that_are_not_its_own)
{
    struct harness *harness = harness_open(&subreddits_domain);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "sub%d", i);
        create(harness, ANN, name);
    }
    for (int sort = 0; sort < SORT_COUNT; sort++) {
        const Pb__SubredditPage *page = list(harness, (Pb__SubredditsList__Sort)sort, 2, NULL);
        for (int other = 0; other < SORT_COUNT; other++) {
            enum status status = list_status(harness, (Pb__SubredditsList__Sort)other, 2, &page->next, NULL);
            cr_assert_eq(status, other == sort ? STATUS_OK : STATUS_INVALID_CURSOR, "%d as %d", sort, other);
        }
        for (size_t length = 0; length < page->next.len; length++) {
            ProtobufCBinaryData cut = {.len = length, .data = page->next.data};
            enum status status = list_status(harness, (Pb__SubredditsList__Sort)sort, 2, &cut, NULL);
            cr_assert(status == STATUS_INVALID_CURSOR || status == STATUS_OK);
            cr_assert(length > 0 || status == STATUS_INVALID_CURSOR);
        }
    }
    cr_assert_eq(list_status(harness, (Pb__SubredditsList__Sort)99, 2, NULL, NULL), STATUS_BAD_FRAME);
    harness_close(harness);
}

/* Pages to the end while others create, and (but for the order by members) join and leave. */
static void page_under_writes(Pb__SubredditsList__Sort sort)
{
    struct harness *harness = harness_open(&subreddits_domain);
    unsigned shown[MANY + 1] = {0};
    char name[16];
    for (int i = 1; i <= MANY; i++) {
        snprintf(name, sizeof(name), "%c%d", "aBcDe"[i % 5], i + 100);
        create(harness, ANN, name);
        if (i % 3 == 0)
            cr_assert_eq(join(harness, BOB, (uint64_t)i, NULL), STATUS_OK);
    }
    Pb__SubredditPage *page = NULL;
    Pb__Subreddit *last = NULL;
    int written = 0;
    do {
        page = list(harness, sort, 7, page);
        for (size_t i = 0; i < page->n_items; i++) {
            Pb__Subreddit *item = page->items[i];
            cr_assert(last == NULL || in_order(sort, last, item), "%s behind %s", item->name, last->name);
            last = item;
            if (item->subreddit_id <= MANY)
                shown[item->subreddit_id]++;
        }
        snprintf(name, sizeof(name), "%cNew%d", "aBcDe"[written % 5], written);
        create(harness, BOB, name);
        written++;
        if (sort != PB__SUBREDDITS_LIST__SORT__popular)
            cr_assert_eq(join(harness, CARL, (uint64_t)written * 3, NULL), STATUS_OK);
    } while (page->has_next);
    cr_assert_geq(written, MANY / 7);
    for (int i = 1; i <= MANY; i++)
        cr_assert_eq(shown[i], 1, "%d was shown %u times", i, shown[i]);
    harness_close(harness);
}

Test(subreddits_list, by_members_shows_all_that_was_there_once_while_others_are_created)
{
    page_under_writes(PB__SUBREDDITS_LIST__SORT__popular);
}

Test(subreddits_list, by_age_shows_all_that_was_there_once_while_others_are_created_and_joined)
{
    page_under_writes(PB__SUBREDDITS_LIST__SORT__new);
}

Test(subreddits_list, by_name_shows_all_that_was_there_once_while_others_are_created_and_joined)
{
    page_under_writes(PB__SUBREDDITS_LIST__SORT__name);
}

Test(subreddits_list, by_members_shows_what_kept_its_members_once_while_others_are_joined_and_left)
{
    struct harness *harness = harness_open(&subreddits_domain);
    unsigned seed = seed_print();
    unsigned shown[MANY + 1] = {0};
    char name[16];
    for (int i = 1; i <= MANY; i++) {
        snprintf(name, sizeof(name), "sub%d", i);
        create(harness, ANN, name);
        for (uint64_t user = 10; user < 10 + (uint64_t)(rand_r(&seed) % 4); user++)
            cr_assert_eq(join(harness, user, (uint64_t)i, NULL), STATUS_OK);
    }
    Pb__SubredditPage *page = NULL;
    do {
        page = list(harness, PB__SUBREDDITS_LIST__SORT__popular, 5, page);
        for (size_t i = 0; i < page->n_items; i++)
            shown[page->items[i]->subreddit_id]++;
        /* Those of even number move, up and down. */
        for (int i = 0; i < 6; i++) {
            uint64_t id = 2 * (1 + (uint64_t)(rand_r(&seed) % (MANY / 2)));
            if (join(harness, BOB, id, NULL) == STATUS_ALREADY_MEMBER)
                cr_assert_eq(leave(harness, BOB, id, NULL), STATUS_OK);
        }
    } while (page->has_next);
    for (int i = 1; i <= MANY; i += 2)
        cr_assert_eq(shown[i], 1, "%d was shown %u times", i, shown[i]);
    harness_close(harness);
}

Test(subreddits, go_on_where_they_were_after_a_restart)
{
    struct harness *harness = harness_open(&subreddits_domain);
    create(harness, ANN, "cats");
    cr_assert_eq(join(harness, BOB, 1, NULL), STATUS_OK);
    harness_restart(harness);
    cr_assert_eq(list(harness, PB__SUBREDDITS_LIST__SORT__popular, 10, NULL)->total, 1);
    cr_assert_eq(join(harness, BOB, 1, NULL), STATUS_ALREADY_MEMBER);
    Pb__Subreddit *subreddit = NULL;
    cr_assert_eq(get(harness, 1, &subreddit), STATUS_OK);
    cr_assert_eq(subreddit->member_count, 2);
    cr_assert_eq(create(harness, BOB, "dogs")->subreddit_id, 2);
    harness_close(harness);
}

Test(subreddits, are_rebuilt_from_the_event_log)
{
    struct harness *harness = harness_open(&subreddits_domain);
    unsigned seed = seed_print();
    char name[16];
    for (int i = 1; i <= 10; i++) {
        snprintf(name, sizeof(name), "sub%d", i);
        cr_assert_eq(create_status(harness, ANN, name, i % 2 == 0 ? "even" : NULL, NULL), STATUS_OK);
    }
    for (int i = 0; i < 60; i++) {
        uint64_t user = 1 + (uint64_t)(rand_r(&seed) % 5), id = 1 + (uint64_t)(rand_r(&seed) % 10);
        harness_advance_ms(harness, 3);
        if (join(harness, user, id, NULL) == STATUS_ALREADY_MEMBER)
            cr_assert_eq(leave(harness, user, id, NULL), STATUS_OK);
    }
    cr_assert(harness_rebuild_is_equal(harness));
    cr_assert_eq(create(harness, ANN, "next")->subreddit_id, 11);
    harness_close(harness);
}
