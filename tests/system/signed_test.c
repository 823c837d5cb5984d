/* Public keys and signed posts, from a client's and from an operator's side. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/program.h"
#include "tests/lib/signer.h"
#include "tests/lib/wait.h"

#define SIGNED_AT  1700000000123
#define PROGRAM_MS 60000

static const char *const algorithms[] = {"RSA2048", "ECDSAP256", "ED25519"};

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(key, .init = attach);
TestSuite(create, .init = attach);
TestSuite(read, .init = attach);
TestSuite(client, .init = attach);

/* One who signs, in a subreddit of their own. */
struct author {
    struct signer *signer;
    const char *key, *id, *subreddit;
    const char *headers; /* with their token; not needed where the server is open */
};

static struct reply *sign_up(const struct forum *at, const char *name, const char *key, const char *algorithm)
{
    return forum_post(
        at, "/api/auth/register",
        json_body("{'username':'%s','public_key':'%s','key_algorithm':'%s'}", name, key, algorithm));
}

static struct author author_new(const struct forum *at, const char *algorithm)
{
    struct author author = {.signer = signer_new(algorithm)};
    cr_assert(author.signer);
    author.key = signer_public_key(author.signer);
    struct reply *reply = sign_up(at, make_name("a"), author.key, algorithm);
    CHECK_CREATED(reply);
    author.id = json_text(reply, "user_id");
    author.headers = make_bearer(json_text(reply, "token"));
    reply = forum_request(at, "POST", "/api/subreddits/create", author.headers,
                          json_body("{'name':'%s'}", make_name("s")));
    CHECK_CREATED(reply);
    author.subreddit = json_text(reply, "subreddit_id");
    return author;
}

/* What is posted: at first as it was signed. */
struct form {
    struct signer_post post;
    const char *signature, *algorithm;
};

static struct form form_signed(const struct author *author, const char *title, const char *content)
{
    struct form form = {.post = {author->id, author->subreddit, title, content, SIGNED_AT},
                        .algorithm = signer_algorithm(author->signer)};
    form.signature = signer_sign(author->signer, &form.post);
    return form;
}

static struct reply *send_form(const struct forum *at, const struct form *form, const char *headers)
{
    const char *author = form->post.author_id ? json_quote(form->post.author_id) : "null";
    const char *content = form->post.content ? json_quote(form->post.content) : "null";
    return forum_request(at, "POST", "/api/posts/create", headers,
                         json_body("{'author_id':%s,'subreddit_id':'%s','title':%s,'content':%s,"
                                   "'signature':'%s','signature_algorithm':'%s','signed_at':%" PRIu64 "}",
                                   author, form->post.subreddit_id, json_quote(form->post.title), content,
                                   form->signature, form->algorithm, form->post.signed_at));
}

static struct reply *post_signed(const struct forum *at, const struct author *author, const char *title)
{
    struct form form = form_signed(author, title, "Text");
    struct reply *reply = send_form(at, &form, "");
    CHECK_CREATED(reply);
    cr_assert(json_flag(reply, "signature_verified"), "%s", http_describe(reply));
    return reply;
}

static void check_nothing_posted(const struct author *author)
{
    cr_assert_eq(json_count(forum_get(forum, "/api/subreddits/%s/posts", author->subreddit), ""), 0);
    cr_assert_eq(json_count(forum_get(forum, "/api/users/%s/posts", author->id), ""), 0);
}

Test(key, of_each_algorithm_is_kept_and_shown)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        struct signer *signer = signer_new(algorithms[i]);
        const char *key = signer_public_key(signer), *name = make_name("k");
        struct reply *reply = sign_up(forum, name, key, algorithms[i]);
        CHECK_CREATED(reply);
        struct reply *shown = forum_get(forum, "/api/users/%s/public-key", json_text(reply, "user_id"));
        CHECK_OK(shown);
        const struct reply *both[] = {reply, shown};
        for (size_t k = 0; k < ARRAY_LEN(both); k++) {
            CHECK_TEXT(both[k], "username", name);
            CHECK_TEXT(both[k], "public_key", key);
            CHECK_TEXT(both[k], "key_algorithm", algorithms[i]);
        }
    }
}

Test(key, and_its_algorithm_need_each_other)
{
    const char *key = signer_public_key(signer_new("ED25519"));
    CHECK_FIELD_ERROR(forum_post(forum, "/api/auth/register",
                                 json_body("{'username':'%s','public_key':'%s'}", make_name("k"), key)),
                      "key_algorithm", "required");
    CHECK_FIELD_ERROR(forum_post(forum, "/api/auth/register",
                                 json_body("{'username':'%s','key_algorithm':'ED25519','public_key':null}",
                                           make_name("k"))),
                      "public_key", "required");
}

Test(key, that_is_no_good_is_refused_together_with_other_bad_fields)
{
    const char *name = make_name("k"), *key = signer_public_key(signer_new("ED25519"));
    CHECK_FIELD_ERROR(sign_up(forum, name, key, "ECDSAP256"), "public_key", "other_algorithm");
    CHECK_FIELD_ERROR(sign_up(forum, name, keep_format("%s=", key), "ED25519"), "public_key", "bad_base64");
    CHECK_FIELD_ERROR(sign_up(forum, name, "QUJD", "ED25519"), "public_key", "bad_der");
    struct reply *reply = sign_up(forum, "!", "QUJD", "RSA2048");
    CHECK_FIELD_ERROR(reply, "username", NULL);
    CHECK_FIELD_ERROR(reply, "public_key", "bad_der");
    CHECK_PROBLEM(forum_get(forum, "/api/auth/user/%s", name), 404, "user_not_found");
}

Test(create, of_a_signed_post_shows_it_verified_everywhere)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        struct author author = author_new(forum, algorithms[i]);
        const char *plain = make_post(forum, author.subreddit, author.id, "Not signed");
        struct form form = form_signed(&author, "Signed \"\\\u20ac\U0001f600", "It's\n\tmine");
        struct reply *made = send_form(forum, &form, "");
        CHECK_CREATED(made);
        const char *id = json_text(made, "post_id");
        struct reply *read = forum_get(forum, "/api/posts/%s", id);
        const struct reply *single[] = {made, read};
        for (size_t k = 0; k < ARRAY_LEN(single); k++) {
            CHECK_TEXT(single[k], "signature", form.signature);
            cr_assert(json_flag(single[k], "signature_verified"), "%s", http_describe(single[k]));
            CHECK_TEXT(single[k], "signature_algorithm", algorithms[i]);
            CHECK_NUMBER(single[k], "signed_at", SIGNED_AT);
            cr_assert(!json_has(single[k], "author_key"));
        }
        const struct reply *lists[] = {
            forum_get(forum, "/api/subreddits/%s/posts?sort=new", author.subreddit),
            forum_get(forum, "/api/users/%s/posts", author.id),
            forum_get(forum, "/api/feed/%s?sort=new", author.id),
        };
        for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
            CHECK_TEXT(lists[k], "0.post_id", id);
            CHECK_TEXT(lists[k], "0.signature", form.signature);
            cr_assert(json_flag(lists[k], "0.signature_verified"), "%s", http_describe(lists[k]));
            CHECK_TEXT(lists[k], "1.post_id", plain);
            CHECK_NULL(lists[k], "1.signature");
            cr_assert(!json_flag(lists[k], "1.signature_verified"), "%s", http_describe(lists[k]));
            cr_assert(!json_has(lists[k], "1.signed_at"));
        }
    }
}

Test(create, takes_the_signature_of_the_title_as_it_is_shown_and_of_no_content_as_empty)
{
    struct author author = author_new(forum, "ED25519");
    struct form form = form_signed(&author, "Trimmed", NULL);
    form.post.title = " \n Trimmed\t ";
    struct reply *reply = send_form(forum, &form, "");
    CHECK_CREATED(reply);
    CHECK_TEXT(reply, "title", "Trimmed");
    CHECK_NULL(reply, "content");
    struct form untrimmed = form_signed(&author, " Trimmed ", NULL);
    CHECK_PROBLEM(send_form(forum, &untrimmed, ""), 400, "invalid_signature");
    struct form empty = form_signed(&author, "Empty", "");
    CHECK_CREATED(send_form(forum, &empty, ""));
}

Test(create, refuses_a_signature_of_anything_else_and_stores_nothing)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        struct author author = author_new(forum, algorithms[i]), other = author_new(forum, algorithms[i]);
        const struct form good = form_signed(&author, "Title", "Content");
        struct form altered[] = {good, good, good, good, good, good, good};
        altered[0].post.title = "Titlf";
        altered[1].post.content = "Content ";
        altered[2].post.content = NULL;
        altered[3].post.subreddit_id = other.subreddit;
        altered[4].post.signed_at++;
        altered[5].signature = form_signed(&other, "Title", "Content").signature;
        altered[6].signature = "QUJDREVGR0hJSg==";
        for (size_t k = 0; k < ARRAY_LEN(altered); k++) {
            struct reply *reply = send_form(forum, &altered[k], "");
            CHECK_PROBLEM(reply, 400, "invalid_signature");
            CHECK_TEXT(reply, "errors.0.field", "signature");
        }
        struct form as_other = good;
        as_other.post.author_id = other.id;
        CHECK_PROBLEM(send_form(forum, &as_other, ""), 400, "invalid_signature");
        check_nothing_posted(&author);
        check_nothing_posted(&other);
    }
}

Test(create, refuses_every_signature_with_a_flipped_bit)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct author author = author_new(forum, "ED25519");
    struct form form = form_signed(&author, "Title", "Content");
    char *signature = keep_copy(form.signature, strlen(form.signature));
    form.signature = signature;
    for (size_t i = 0; signature[i] != '='; i++) {
        char right = signature[i];
        signature[i] = letters[(size_t)(strchr(letters, right) - letters) ^ 1];
        CHECK_PROBLEM(send_form(forum, &form, ""), 400, "invalid_signature");
        signature[i] = right;
    }
    check_nothing_posted(&author);
}

Test(create, needs_a_key_of_the_author_of_the_same_algorithm)
{
    struct author author = author_new(forum, "ED25519"), keyless = author;
    keyless.id = make_user(forum);
    struct form form = form_signed(&keyless, "Title", "Content");
    struct reply *reply = send_form(forum, &form, "");
    CHECK_PROBLEM(reply, 400, "no_public_key");
    CHECK_TEXT(reply, "errors.0.field", "signature");
    form = form_signed(&author, "Title", "Content");
    form.algorithm = "ECDSAP256";
    reply = send_form(forum, &form, "");
    CHECK_PROBLEM(reply, 400, "other_key_algorithm");
    CHECK_TEXT(reply, "errors.0.field", "signature_algorithm");
    form.post.author_id = "user_999999";
    CHECK_PROBLEM(send_form(forum, &form, ""), 404, "user_not_found");
    check_nothing_posted(&author);
}

Test(create, needs_all_three_fields_of_a_signature)
{
    static const char *const fields[] = {"signature", "signature_algorithm", "signed_at"};
    static const char *const values[] = {"\"QUJD\"", "\"ED25519\"", "1"};
    struct author author = author_new(forum, "ED25519");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *start =
            json_body("{'author_id':'%s','subreddit_id':'%s','title':'T'", author.id, author.subreddit);
        struct reply *alone =
            forum_post(forum, "/api/posts/create", json_body("%s,'%s':%s}", start, fields[i], values[i]));
        for (size_t k = 0; k < ARRAY_LEN(fields); k++)
            if (k != i)
                CHECK_FIELD_ERROR(alone, fields[k], "required");
        size_t a = (i + 1) % 3, b = (i + 2) % 3;
        struct reply *without =
            forum_post(forum, "/api/posts/create",
                       json_body("%s,'%s':%s,'%s':%s}", start, fields[a], values[a], fields[b], values[b]));
        CHECK_FIELD_ERROR(without, fields[i], "required");
    }
    struct form late = form_signed(&author, "T", NULL);
    late.post.signed_at = UINT64_C(9007199254740992);
    CHECK_FIELD_ERROR(send_form(forum, &late, ""), "signed_at", "too_large");
    check_nothing_posted(&author);
}

Test(create, again_under_the_same_key_gives_the_first_answer)
{
    struct author author = author_new(forum, "ECDSAP256");
    struct form form = form_signed(&author, "Once", "Content");
    const char *headers = keep_format("Idempotency-Key: %s\r\n", make_name("key"));
    struct reply *first = send_form(forum, &form, headers), *second = send_form(forum, &form, headers);
    CHECK_CREATED(first);
    CHECK_CREATED(second);
    cr_assert_str_eq(http_header(second, "Idempotent-Replayed"), "true");
    cr_assert_str_eq(second->body, first->body);
    cr_assert(json_flag(second, "signature_verified"));
    /* ECDSA signs the same otherwise each time: good, but another request. */
    form.signature = signer_sign(author.signer, &form.post);
    CHECK_PROBLEM(send_form(forum, &form, headers), 422, "idempotency_key_reused");
}

Test(read, of_a_repost_shows_no_signature)
{
    struct author author = author_new(forum, "ED25519");
    const char *id = json_text(post_signed(forum, &author, "Mine"), "post_id");
    struct reply *repost =
        forum_post(forum, keep_format("/api/posts/%s/repost", id),
                   json_body("{'author_id':'%s','subreddit_id':'%s'}", author.id, author.subreddit));
    CHECK_CREATED(repost);
    CHECK_NULL(repost, "signature");
    cr_assert(!json_flag(repost, "signature_verified"));
}

/* 100 posts of 100 authors in one answer, whose keys no worker knows yet. */
Test(read, of_a_page_of_many_authors_verifies_each)
{
    enum { AUTHORS = 100 };
    const char *owner = make_user(forum), *subreddit = make_subreddit(forum, owner);
    for (int i = 0; i < AUTHORS; i++) {
        struct author author = author_new(forum, "ED25519");
        author.subreddit = subreddit;
        (void)post_signed(forum, &author, "Signed");
    }
    for (int again = 0; again < 4; again++) {
        struct reply *list = forum_get(forum, "/api/subreddits/%s/posts?limit=100", subreddit);
        cr_assert_eq(json_count(list, ""), AUTHORS);
        for (int i = 0; i < AUTHORS; i++)
            cr_assert(json_flag(list, keep_format("%d.signature_verified", i)), "%d", i);
    }
}

static void run_sql(const struct forum *at, const char *engine, const char *sql)
{
    const char *const argv[] = {"/usr/bin/env",
                                "sqlite3",
                                "-cmd",
                                ".timeout 5000",
                                keep_format("%s/%s.db", forum_state_directory(at), engine),
                                sql,
                                NULL};
    struct program_result result = program_run(argv, NULL, NULL, PROGRAM_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", sql, result.output);
}

static bool verified(const struct forum *at, const char *post)
{
    struct reply *reply = forum_get(at, "/api/posts/%s", post);
    CHECK_OK(reply);
    return json_flag(reply, "signature_verified");
}

#define URL_ALTERED "url = 'http://example.org/'"

/* What makes another post of a signed one. */
static const char *const alterations[] = {
    "title = replace(title, 'Signed', 'Sighed')",
    "content = content || 'x'",
    "content = NULL",
    "content = replace(content, 'Text', 'text')",
    "signed_at = signed_at + 1",
    "author_id = author_id + 1",
    URL_ALTERED, /* which is not signed */
    "signature = 'A' || substr(signature, 2)",
    "signature = signature || 'A'",
    "signature_algorithm = 1",
    "signature_algorithm = 77",
    "author_key = NULL",
    "author_key = 'M' || author_key",
};

/* A file of the server, changed by the sqlite3 shell: while the server runs, and while it does not. */
static void check_alterations(bool running)
{
    struct forum *own = forum_start(&(struct forum_spec){.name = running ? "altered-live" : "altered"});
    struct author author = author_new(own, "ED25519");
    const char *ids[ARRAY_LEN(alterations)];
    for (size_t i = 0; i < ARRAY_LEN(alterations); i++)
        ids[i] = json_text(post_signed(own, &author, "Signed"), "post_id");
    const char *intact = json_text(post_signed(own, &author, "Signed"), "post_id");
    cr_assert(verified(own, intact));
    if (!running)
        cr_assert_eq(forum_stop(own, SIGINT), 0);
    for (size_t i = 0; i < ARRAY_LEN(alterations); i++)
        run_sql(own, "posts",
                keep_format("UPDATE posts SET %s WHERE 'post_' || post_id = '%s'", alterations[i], ids[i]));
    if (!running)
        forum_start_again(own);
    for (size_t i = 0; i < ARRAY_LEN(alterations); i++) {
        bool unchanged = strcmp(alterations[i], URL_ALTERED) == 0;
        cr_expect_eq(verified(own, ids[i]), unchanged, "%s", alterations[i]);
    }
    cr_expect(verified(own, intact));
    cr_assert_eq(forum_stop(own, SIGINT), 0);
}

Test(altered, posts_do_not_verify_after_a_restart)
{
    check_alterations(false);
}

Test(altered, posts_do_not_verify_while_the_server_runs)
{
    check_alterations(true);
}

Test(altered, post_signed_again_by_another_key_does_not_verify)
{
    struct forum *own = forum_start(&(struct forum_spec){.name = "forged"});
    struct author author = author_new(own, "ED25519"), forger = author_new(own, "ED25519");
    const char *id = json_text(post_signed(own, &author, "Signed"), "post_id");
    cr_assert(verified(own, id));
    struct author forged = author;
    forged.signer = forger.signer;
    run_sql(
        own, "posts",
        keep_format("UPDATE posts SET signature = '%s', author_key = '%s' WHERE 'post_' || post_id = '%s'",
                    form_signed(&forged, "Signed", "Text").signature, forger.key, id));
    cr_expect(!verified(own, id));
    cr_assert_eq(forum_stop(own, SIGINT), 0);
}

Test(without_users, signed_posts_are_read_and_verified_by_workers_that_never_saw_their_authors)
{
    struct forum *own = forum_start(&(struct forum_spec){.name = "without-users", .workers = 1});
    struct author author = author_new(own, "ED25519");
    const char *id = json_text(post_signed(own, &author, "Signed"), "post_id");
    forum_kill_and_wait_for_another(own, "forumd-gateway: worker");
    cr_assert_eq(kill(forum_process(own, "forumd-engined: users"), SIGSTOP), 0);
    cr_expect(verified(own, id));
    struct reply *list = forum_get(own, "/api/subreddits/%s/posts", author.subreddit);
    CHECK_OK(list);
    cr_expect(json_flag(list, "0.signature_verified"));
    forum_kill(own);
}

Test(without_users, authors_whose_keys_the_worker_knows_go_on_signing)
{
    struct forum *own = forum_start(&(struct forum_spec){.name = "signing-on", .workers = 1});
    struct author author = author_new(own, "ED25519");
    (void)post_signed(own, &author, "Before");
    cr_assert_eq(kill(forum_process(own, "forumd-engined: users"), SIGSTOP), 0);
    (void)post_signed(own, &author, "Meanwhile");
    forum_kill(own);
}

Test(again, under_the_same_key_gives_the_first_answer_also_from_a_worker_that_knows_nothing_of_it)
{
    struct forum *own = forum_start(&(struct forum_spec){.name = "again", .workers = 1});
    struct author author = author_new(own, "ED25519");
    struct form form = form_signed(&author, "Once", "Content");
    const char *headers = "Idempotency-Key: key-of-a-signed-post\r\n";
    struct reply *first = send_form(own, &form, headers);
    CHECK_CREATED(first);
    forum_kill_and_wait_for_another(own, "forumd-gateway: worker");
    struct reply *second = send_form(own, &form, headers);
    CHECK_CREATED(second);
    cr_assert_str_eq(http_header(second, "Idempotent-Replayed"), "true");
    cr_assert_str_eq(second->body, first->body);
    cr_assert_eq(json_count(forum_get(own, "/api/users/%s/posts", author.id), ""), 1);
    cr_assert_eq(forum_stop(own, SIGINT), 0);
}

static struct forum *start_required(const char *name)
{
    static const char *const flags[] = {"--auth=required", NULL};
    return forum_start(&(struct forum_spec){.name = name, .flags = flags});
}

Test(required, tokens_say_whose_signature_it_must_be)
{
    struct forum *own = start_required("required");
    struct author author = author_new(own, "ED25519"), other = author_new(own, "ED25519");
    struct form form = form_signed(&author, "Title", "Content");
    CHECK_PROBLEM(send_form(own, &form, ""), 401, "authentication_required");
    CHECK_PROBLEM(send_form(own, &form, other.headers), 403, "forbidden");
    CHECK_CREATED(send_form(own, &form, author.headers));
    form.post.author_id = NULL; /* the signed bytes hold it nevertheless */
    CHECK_PROBLEM(send_form(own, &form, other.headers), 400, "invalid_signature");
    struct reply *reply = send_form(own, &form, author.headers);
    CHECK_CREATED(reply);
    CHECK_TEXT(reply, "author_id", author.id);
    cr_assert(json_flag(reply, "signature_verified"), "%s", http_describe(reply));
    struct reply *list = forum_get(own, "/api/subreddits/%s/posts", author.subreddit);
    cr_assert_eq(json_count(list, ""), 2);
    for (int i = 0; i < 2; i++)
        cr_assert(json_flag(list, keep_format("%d.signature_verified", i)), "%s", http_describe(list));
    cr_assert_eq(forum_stop(own, SIGINT), 0);
}

static const char *address(const struct forum *at)
{
    return keep_format("http://127.0.0.1:%u", forum_port(at));
}

static const char *run(const char *const *argv, int exit_code)
{
    struct program_result result = program_run(argv, NULL, forum_run_directory(), PROGRAM_MS);
    cr_assert_eq(result.exit_code, exit_code, "%s %s: exit code %d: %s", argv[0], argv[1], result.exit_code,
                 result.output);
    return result.output;
}
#define RUN(code, ...) run((const char *[]){__VA_ARGS__, NULL}, code)

static void check_sign_post(const struct forum *at)
{
    const char *output = RUN(0, FORUMD_SOURCE_DIR "/deploy/examples/sign-post", address(at));
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        cr_assert(strstr(output, keep_format("%s: post_", algorithms[i])), "%s", output);
}

Test(client, of_openssl_and_curl_alone_registers_signs_posts_and_verifies)
{
    check_sign_post(forum);
}

Test(required, tokens_are_no_obstacle_for_a_client_of_openssl_and_curl_alone)
{
    struct forum *own = start_required("required-client");
    check_sign_post(own);
    cr_assert_eq(forum_stop(own, SIGINT), 0);
}

Test(client, forumd_sim_makes_keys_signs_and_verifies)
{
    const char *sim = forum_executable("forumd-sim");
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        const char *file = keep_format("%s/%s-%s.pem", forum_run_directory(), algorithms[i], make_name("f"));
        const char *key = RUN(0, sim, "keygen", file, "--algorithm", algorithms[i]);
        struct reply *user =
            sign_up(forum, make_name("s"), keep_copy(key, strcspn(key, "\n")), algorithms[i]);
        CHECK_CREATED(user);
        const char *id = json_text(user, "user_id"), *subreddit = make_subreddit(forum, id);
        const char *body = RUN(0, sim, "sign", file, "--author", id, "--subreddit", subreddit, "--title",
                               "Signed \"by\" a person", "--content", "Text");
        struct reply *post = forum_post(forum, "/api/posts/create", body);
        CHECK_CREATED(post);
        const char *post_id = json_text(post, "post_id");
        const char *said = RUN(0, sim, "verify-signature", post_id, "--url", address(forum));
        cr_assert(strstr(said, "verifies"), "%s", said);
        const char *plain = make_post(forum, subreddit, id, "Not signed");
        said = RUN(1, sim, "verify-signature", plain, "--url", address(forum));
        cr_assert(strstr(said, "not signed"), "%s", said);
        (void)RUN(73, sim, "keygen", file); /* is there already */
    }
    (void)RUN(66, sim, "sign", "/nonexistent", "--author", "user_1", "--subreddit", "sub_1", "--title", "T");
    (void)RUN(64, sim, "sign", "/nonexistent");
    (void)RUN(64, sim, "keygen");
    (void)RUN(64, sim, "keygen", "x.pem", "--algorithm", "DSA");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true});
}
