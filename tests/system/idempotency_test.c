/* Idempotency-Key: a write that is sent again takes effect once, and gets the first answer again. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(key, .init = attach);

static struct reply *send_keyed(const struct forum *server, const char *path, const char *key,
                                const char *body)
{
    return forum_request(server, "POST", path, keep_format("Idempotency-Key: %s\r\n", key), body);
}

static void check_replay(const struct reply *first, const struct reply *again)
{
    CHECK_NOTHING_WRONG(check_success(again, first->status));
    cr_assert(!http_header(first, "Idempotent-Replayed"), "%s", first->head);
    const char *replayed = http_header(again, "Idempotent-Replayed");
    cr_assert(replayed && strcmp(replayed, "true") == 0, "%s", again->head);
    cr_assert_str_eq(again->body, first->body);
    const char *place = http_header(first, "Location");
    if (place)
        cr_assert_str_eq(http_header(again, "Location"), place);
}

Test(key, gives_the_first_answer_again_and_takes_effect_once)
{
    const char *user = make_user(forum), *other = make_user(forum), *subreddit = make_subreddit(forum, user);
    const char *post = make_post(forum, subreddit, user, "T"),
               *comment = make_comment(forum, post, user, NULL, "C");
    const char *message = make_message(forum, other, user, "M");
    const struct {
        const char *path, *body;
    } calls[] = {
        {"/api/auth/register", json_body("{'username':'%s'}", make_name("u"))},
        {"/api/subreddits/create", json_body("{'name':'%s','creator_id':'%s'}", make_name("s"), user)},
        {keep_format("/api/subreddits/%s/join", subreddit), json_body("{'user_id':'%s'}", other)},
        {keep_format("/api/subreddits/%s/leave", subreddit), json_body("{'user_id':'%s'}", other)},
        {"/api/posts/create",
         json_body("{'subreddit_id':'%s','author_id':'%s','title':'T'}", subreddit, user)},
        {keep_format("/api/posts/%s/vote", post), json_body("{'user_id':'%s','vote_type':'upvote'}", user)},
        {keep_format("/api/posts/%s/repost", post),
         json_body("{'author_id':'%s','subreddit_id':'%s'}", user, subreddit)},
        {"/api/comments/create", json_body("{'post_id':'%s','author_id':'%s','content':'C'}", post, user)},
        {keep_format("/api/comments/%s/vote", comment),
         json_body("{'user_id':'%s','vote_type':'downvote'}", user)},
        {"/api/dm/send", json_body("{'from_user_id':'%s','to_user_id':'%s','content':'C'}", user, other)},
        {keep_format("/api/dm/conversation/%s/%s/read", user, other),
         json_body("{'user_id':'%s','up_to':'%s'}", user, message)},
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const char *key =
            make_name("a_key_that_nobody_guesses"); /* so that a register gives its token again */
        struct reply *first = send_keyed(forum, calls[i].path, key, calls[i].body);
        for (int again = 0; again < 4; again++) /* through several workers */
            check_replay(first, send_keyed(forum, calls[i].path, key, calls[i].body));
    }
    cr_assert_eq(json_count(forum_get(forum, "/api/users/%s/posts", user), ""), 3);
    cr_assert_eq(json_count(forum_get(forum, "/api/users/%s/comments", user), ""), 2);
    cr_assert_eq(json_count(forum_get(forum, "/api/dm/user/%s", other), ""), 2);
}

Test(key, for_another_request_is_422_and_changes_nothing)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user), *key = make_name("key");
    const char *body = json_body("{'subreddit_id':'%s','author_id':'%s','title':'T'}", subreddit, user);
    CHECK_CREATED(send_keyed(forum, "/api/posts/create", key, body));
    CHECK_PROBLEM(
        send_keyed(forum, "/api/posts/create", key,
                   json_body("{'subreddit_id':'%s','author_id':'%s','title':'Other'}", subreddit, user)),
        422, "idempotency_key_reused");
    cr_assert_eq(json_count(forum_get(forum, "/api/users/%s/posts", user), ""), 1);
}

Test(key, belongs_to_the_acting_user)
{
    const char *a = make_user(forum), *b = make_user(forum), *subreddit = make_subreddit(forum, a);
    const char *key = make_name("key");
    struct reply *first =
        send_keyed(forum, "/api/posts/create", key,
                   json_body("{'subreddit_id':'%s','author_id':'%s','title':'T'}", subreddit, a));
    struct reply *second =
        send_keyed(forum, "/api/posts/create", key,
                   json_body("{'subreddit_id':'%s','author_id':'%s','title':'T'}", subreddit, b));
    CHECK_CREATED(first);
    CHECK_CREATED(second);
    cr_assert_str_neq(json_text(first, "post_id"), json_text(second, "post_id"));
}

Test(key, is_not_spent_by_a_refusal)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, make_user(forum)),
               *key = make_name("key");
    const char *path = keep_format("/api/subreddits/%s/leave", subreddit);
    const char *body = json_body("{'user_id':'%s'}", user);
    CHECK_PROBLEM(send_keyed(forum, path, key, body), 409, "not_member");
    make_member(forum, subreddit, user);
    struct reply *reply = send_keyed(forum, path, key, body);
    CHECK_OK(reply);
    cr_assert(!http_header(reply, "Idempotent-Replayed"));
}

Test(key, is_1_to_64_visible_ascii_characters)
{
    const char *body = json_body("{'username':'%s'}", make_name("u"));
    static const char *const bad[] = {"", "a b", "\x7f", "\xc3\xa4",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct reply *reply = send_keyed(forum, "/api/auth/register", bad[i], body);
        CHECK_PROBLEM(reply, 400, NULL);
    }
    CHECK_CREATED(
        send_keyed(forum, "/api/auth/register", keep_format("!~%062lx", (unsigned long)getpid()), body));
}

/* Its own server: it is stopped and killed. */
Test(restart, keeps_keys_and_answers)
{
    struct forum *server = forum_start(NULL);
    const char *user = make_user(server), *subreddit = make_subreddit(server, user);
    const char *path = "/api/posts/create";
    const char *body = json_body("{'subreddit_id':'%s','author_id':'%s','title':'T'}", subreddit, user);
    struct reply *first = send_keyed(server, path, "the-key", body);
    CHECK_CREATED(first);
    cr_assert_eq(forum_stop(server, SIGINT), 0);
    forum_start_again(server);
    check_replay(first, send_keyed(server, path, "the-key", body));
    forum_kill(server);
    forum_start_again(server);
    check_replay(first, send_keyed(server, path, "the-key", body));
    CHECK_PROBLEM(
        send_keyed(server, path, "the-key",
                   json_body("{'subreddit_id':'%s','author_id':'%s','title':'X'}", subreddit, user)),
        422, "idempotency_key_reused");
    forum_kill_and_wait_for_another(server, "forumd-engined: posts");
    check_replay(first, send_keyed(server, path, "the-key", body));
    cr_assert_eq(json_count(forum_get(server, "/api/users/%s/posts", user), ""), 1);
    cr_assert_eq(forum_stop(server, SIGTERM), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
