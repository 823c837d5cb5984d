/* Subreddits and who is a member. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(create, .init = attach);
TestSuite(get, .init = attach);
TestSuite(list, .init = attach);
TestSuite(members, .init = attach);

static struct reply *create(const char *body)
{
    return forum_post(forum, "/api/subreddits/create", body);
}

static struct reply *change(const char *id, const char *what, const char *user)
{
    return forum_post(forum, keep_format("/api/subreddits/%s/%s", id, what),
                      json_body("{'user_id':'%s'}", user));
}

Test(create, answers_201_and_its_creator_is_the_first_member)
{
    const char *user = make_user(forum), *name = make_name("Cats");
    struct reply *reply = create(json_body(
        "{'name':'%s','description':'About \\u00e4\\n\\ud83d\\ude00','creator_id':'%s'}", name, user));
    CHECK_CREATED(reply);
    const char *id = json_text(reply, "subreddit_id");
    cr_assert(strncmp(id, "sub_", 4) == 0);
    CHECK_TEXT(reply, "name", name);
    CHECK_TEXT(reply, "description", "About \u00e4\n\U0001f600");
    CHECK_TEXT(reply, "creator_id", user);
    CHECK_NUMBER(reply, "member_count", 1);
    cr_assert_gt(json_number(reply, "created_at"), 1700000000000);
    cr_assert_str_eq(http_header(reply, "Location"), keep_format("/api/subreddits/%s", id));
    CHECK_PROBLEM(change(id, "join", user), 409, "already_member");
}

Test(create, needs_no_description)
{
    const char *user = make_user(forum);
    CHECK_NULL(create(json_body("{'name':'%s','creator_id':'%s'}", make_name("s"), user)), "description");
    CHECK_NULL(create(json_body("{'name':'%s','creator_id':'%s','description':null}", make_name("s"), user)),
               "description");
    CHECK_NULL(create(json_body("{'name':'%s','creator_id':'%s','description':''}", make_name("s"), user)),
               "description");
}

Test(create, refuses_a_taken_name_in_any_case)
{
    const char *user = make_user(forum), *name = make_name("Dogs");
    make_subreddit_named(forum, user, name);
    char *other = keep_copy(name, strlen(name));
    memcpy(other, "dOGS", 4);
    struct reply *reply = create(json_body("{'name':'%s','creator_id':'%s'}", other, user));
    CHECK_PROBLEM(reply, 409, "subreddit_exists");
    CHECK_TEXT(reply, "errors.0.field", "name");
}

Test(create, refuses_an_unknown_creator)
{
    CHECK_PROBLEM(create(json_body("{'name':'%s','creator_id':'user_999999'}", make_name("s"))), 404,
                  "user_not_found");
}

Test(create, holds_names_and_descriptions_to_their_limits)
{
    const char *user = make_user(forum);
    static const struct {
        const char *name, *code;
    } bad[] = {{"ab", "too_short"},
               {"", "too_short"},
               {"a234567890123456789012", "too_long"},
               {"_cats", "bad_characters"},
               {"cats-and-dogs", "bad_characters"},
               {"cats dogs", "bad_characters"},
               {"c\u00e4ts", "bad_characters"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK_FIELD_ERROR(create(json_body("{'name':'%s','creator_id':'%s'}", bad[i].name, user)), "name",
                          bad[i].code);
    const char *longest = keep_format("A_%08x_23456789_1", (unsigned)wait_now_ms());
    CHECK_CREATED(
        create(json_body("{'name':'%s','creator_id':'%s','description':'%0500d'}", longest, user, 0)));
    CHECK_FIELD_ERROR(
        create(json_body("{'name':'%s','creator_id':'%s','description':'%0501d'}", make_name("s"), user, 0)),
        "description", "too_long");
}

Test(get, finds_it_by_id_and_by_name_in_any_case)
{
    const char *name = make_name("Birds");
    const char *id = make_subreddit_named(forum, make_user(forum), name);
    char *folded = keep_copy(name, strlen(name));
    memcpy(folded, "bIRDS", 5);
    const char *const paths[] = {keep_format("/api/subreddits/%s", id), keep_format("/api/r/%s", name),
                                 keep_format("/api/r/%s", folded)};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct reply *reply = forum_get(forum, "%s", paths[i]);
        CHECK_OK(reply);
        CHECK_TEXT(reply, "subreddit_id", id);
        CHECK_TEXT(reply, "name", name);
    }
}

Test(get, of_what_is_not_there_is_404)
{
    CHECK_PROBLEM(forum_get(forum, "/api/subreddits/sub_999999"), 404, "subreddit_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/r/no_such_place"), 404, "subreddit_not_found");
    CHECK_PROBLEM(forum_get(forum, "/api/subreddits/999999"), 404, NULL);
    CHECK_PROBLEM(forum_get(forum, "/api/subreddits/sub_999999/posts"), 404, "subreddit_not_found");
}

/* In one walk over all that the list says, page after page. */
static bool comes_before(const char *sort, const char *first, const char *second)
{
    bool seen = false;
    for (const char *path = keep_format("/api/subreddits?sort=%s", sort); path;) {
        struct reply *page = forum_get(forum, "%s", path);
        CHECK_OK(page);
        for (size_t i = 0; i < json_count(page, ""); i++) {
            const char *id = json_text(page, keep_format("%zu.subreddit_id", i));
            seen |= strcmp(id, first) == 0;
            if (strcmp(id, second) == 0)
                return seen;
        }
        const char *link = http_header(page, "Link");
        path = link ? keep_copy(link + 1, strcspn(link + 1, ">")) : NULL;
    }
    cr_assert_fail("%s is nowhere under sort=%s", second, sort);
    return false;
}

Test(list, is_a_bare_array_of_subreddits_with_their_number)
{
    make_subreddit(forum, make_user(forum));
    struct reply *reply = forum_get(forum, "/api/subreddits");
    CHECK_OK(reply);
    cr_assert_geq(json_count(reply, ""), 1);
    cr_assert(strncmp(json_text(reply, "0.subreddit_id"), "sub_", 4) == 0);
    cr_assert(json_has(reply, "0.name") && json_has(reply, "0.description") &&
              json_has(reply, "0.creator_id") && json_has(reply, "0.member_count") &&
              json_has(reply, "0.created_at"));
    const char *total = http_header(reply, "X-Total-Count");
    cr_assert(total && strtoul(total, NULL, 10) >= json_count(reply, ""), "X-Total-Count: %s",
              total ? total : "none");
}

Test(list, sorts_by_members_age_and_name)
{
    const char *user = make_user(forum);
    const char *stem = make_name("L");
    const char *older = make_subreddit_named(forum, user, keep_format("%s_b", stem));
    const char *newer = make_subreddit_named(forum, user, keep_format("%s_A", stem));
    make_member(forum, older, make_user(forum));
    cr_assert(comes_before("popular", older, newer));
    cr_assert(comes_before("new", newer, older));
    cr_assert(comes_before("name", newer, older));
}

Test(list, refuses_a_sort_that_it_does_not_know)
{
    CHECK_FIELD_ERROR(forum_get(forum, "/api/subreddits?sort=best"), "sort", "not_one_of");
    CHECK_FIELD_ERROR(forum_get(forum, "/api/subreddits?limit=101"), "limit", "too_large");
    CHECK_FIELD_ERROR(forum_get(forum, "/api/subreddits?limit=0"), "limit", "too_small");
    CHECK_PROBLEM(forum_get(forum, "/api/subreddits?after=rubbish"), 400, NULL);
}

Test(members, join_and_leave_and_are_counted)
{
    const char *id = make_subreddit(forum, make_user(forum)), *user = make_user(forum);
    struct reply *joined = change(id, "join", user);
    CHECK_OK(joined);
    CHECK_TEXT(joined, "subreddit_id", id);
    CHECK_TEXT(joined, "user_id", user);
    CHECK_NUMBER(joined, "member_count", 2);
    CHECK_PROBLEM(change(id, "join", user), 409, "already_member");
    CHECK_NUMBER(forum_get(forum, "/api/subreddits/%s", id), "member_count", 2);
    struct reply *left = change(id, "leave", user);
    CHECK_OK(left);
    CHECK_NUMBER(left, "member_count", 1);
    CHECK_PROBLEM(change(id, "leave", user), 409, "not_member");
    CHECK_NUMBER(forum_get(forum, "/api/subreddits/%s", id), "member_count", 1);
    CHECK_OK(change(id, "join", user));
}

Test(members, must_exist_and_so_must_the_subreddit)
{
    const char *user = make_user(forum), *id = make_subreddit(forum, user);
    static const char *const changes[] = {"join", "leave"};
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        CHECK_PROBLEM(change("sub_999999", changes[i], user), 404, "subreddit_not_found");
        CHECK_PROBLEM(change(id, changes[i], "user_999999"), 404, "user_not_found");
        CHECK_PROBLEM(change("999999", changes[i], user), 404, NULL);
        CHECK_FIELD_ERROR(forum_post(forum, keep_format("/api/subreddits/%s/%s", id, changes[i]), "{}"),
                          "user_id", "required");
    }
    CHECK_NUMBER(forum_get(forum, "/api/subreddits/%s", id), "member_count", 1);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
