/* What authors sign, who may post it, what is said of it when it is read - and the rules of the fields. */
#include "gateway/signed_post.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "common/limits.h"
#include "gateway/key_rules.h"
#include "proto/schema_commands.h"
#include "tests/lib/signer.h"

enum { AUTHOR = 17, SUBREDDIT = 5, SIGNED_AT = 1234567 };

/* A signed post, its request and its author's key. */
struct fixture {
    struct signed_posts *signed_posts;
    struct signer *signer;
    struct public_key key;
    Pb__PostsCreate request;
    Pb__Post post;
};

static struct fixture fixture_new(void)
{
    struct fixture fixture = {.signed_posts = signed_posts_new(), .signer = signer_new("ED25519")};
    char *signature = signer_sign(
        fixture.signer, &(struct signer_post){"user_17", "sub_5", "T\u00eftle", "Content", SIGNED_AT});
    fixture.key = (struct public_key){SIGNATURE_ED25519, signer_public_key(fixture.signer)};
    pb__posts_create__init(&fixture.request);
    fixture.request.has_subreddit_id = fixture.request.has_author_id = true;
    fixture.request.has_signature_algorithm = fixture.request.has_signed_at = true;
    fixture.request.subreddit_id = SUBREDDIT;
    fixture.request.author_id = AUTHOR;
    fixture.request.title = (char *)"T\u00eftle";
    fixture.request.content = (char *)"Content";
    fixture.request.signature = signature;
    fixture.request.signature_algorithm = PB__KEY_ALGORITHM__ED25519;
    fixture.request.signed_at = SIGNED_AT;
    pb__post__init(&fixture.post);
    fixture.post.author_id = AUTHOR;
    fixture.post.subreddit_id = SUBREDDIT;
    fixture.post.title = fixture.request.title;
    fixture.post.content = fixture.request.content;
    fixture.post.signature = signature;
    fixture.post.signature_algorithm = PB__KEY_ALGORITHM__ED25519;
    fixture.post.signed_at = SIGNED_AT;
    fixture.post.author_key = (char *)fixture.key.text;
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    free(fixture->request.signature);
    free((char *)fixture->key.text);
    signer_free(fixture->signer);
    signed_posts_free(fixture->signed_posts);
}

static enum status admit(struct fixture *fixture, const Pb__PostsCreate *request, uint64_t author)
{
    Pb__PostsCreate copy = *request;
    enum status status = signed_post_admit(fixture->signed_posts, &copy, author, &fixture->key);
    cr_expect_eq(copy.author_key != NULL, status == STATUS_OK);
    return status;
}

Test(admit, takes_what_the_author_signed_and_puts_the_key_beside_it)
{
    struct fixture fixture = fixture_new();
    cr_expect_eq(admit(&fixture, &fixture.request, AUTHOR), STATUS_OK);
    cr_expect_eq(signed_post_admit(fixture.signed_posts, &fixture.request, AUTHOR, &fixture.key), STATUS_OK);
    cr_expect_str_eq(fixture.request.author_key, fixture.key.text);
    fixture_free(&fixture);
}

Test(admit, refuses_every_alteration_before_and_after_the_right_one_was_seen)
{
    struct fixture fixture = fixture_new();
    for (int seen = 0; seen < 2; seen++) {
        Pb__PostsCreate altered[6];
        for (size_t i = 0; i < ARRAY_LEN(altered); i++)
            altered[i] = fixture.request;
        altered[0].subreddit_id++;
        altered[1].title = (char *)"Title";
        altered[2].content = NULL;
        altered[3].content = (char *)"Content ";
        altered[4].signed_at--;
        altered[5].signature = (char *)"QUJD";
        for (size_t i = 0; i < ARRAY_LEN(altered); i++)
            cr_expect_eq(admit(&fixture, &altered[i], AUTHOR), STATUS_INVALID_SIGNATURE, "%zu", i);
        cr_expect_eq(admit(&fixture, &fixture.request, AUTHOR + 1), STATUS_INVALID_SIGNATURE);
        cr_expect_eq(admit(&fixture, &fixture.request, AUTHOR), STATUS_OK);
    }
    fixture_free(&fixture);
}

/* Where the texts part is signed too: one's end is not another's beginning. */
Test(admit, refuses_texts_that_were_parted_elsewhere)
{
    struct fixture fixture = fixture_new();
    Pb__PostsCreate moved = fixture.request;
    moved.title = (char *)"T\u00eftleC";
    moved.content = (char *)"ontent";
    cr_expect_eq(admit(&fixture, &moved, AUTHOR), STATUS_INVALID_SIGNATURE);
    moved.title = (char *)"T\u00eftle,7:Content";
    moved.content = NULL;
    cr_expect_eq(admit(&fixture, &moved, AUTHOR), STATUS_INVALID_SIGNATURE);
    fixture_free(&fixture);
}

Test(admit, needs_a_key_of_the_same_algorithm)
{
    struct fixture fixture = fixture_new();
    struct public_key own = fixture.key;
    fixture.key = (struct public_key){0};
    cr_expect_eq(admit(&fixture, &fixture.request, AUTHOR), STATUS_NO_PUBLIC_KEY);
    fixture.key = own;
    fixture.request.signature_algorithm = PB__KEY_ALGORITHM__RSA2048;
    cr_expect_eq(admit(&fixture, &fixture.request, AUTHOR), STATUS_OTHER_KEY_ALGORITHM);
    fixture_free(&fixture);
}

static bool judge(struct fixture *fixture, const Pb__Post *post, const struct public_key *key)
{
    Pb__Post copy = *post;
    signed_post_judge(fixture->signed_posts, &copy, key);
    cr_expect(copy.has_signature_verified);
    return copy.signature_verified;
}

Test(judge, says_what_verifies_with_the_authors_key_and_with_the_kept_one_if_that_is_not_known)
{
    struct fixture fixture = fixture_new(), other = fixture_new();
    cr_expect(judge(&fixture, &fixture.post, &fixture.key));
    cr_expect(judge(&fixture, &fixture.post, NULL));
    cr_expect_not(judge(&fixture, &fixture.post, &other.key));
    cr_expect_not(judge(&fixture, &fixture.post, &(struct public_key){0}));
    struct public_key other_algorithm = {SIGNATURE_ECDSAP256, fixture.key.text};
    cr_expect_not(judge(&fixture, &fixture.post, &other_algorithm));
    Pb__Post forged = fixture.post;
    forged.author_key = (char *)other.key.text;
    cr_expect_not(judge(&fixture, &forged, NULL));
    cr_expect_not(judge(&fixture, &forged, &fixture.key));
    fixture_free(&fixture);
    fixture_free(&other);
}

Test(judge, finds_every_alteration_before_and_after_the_right_one_was_seen)
{
    struct fixture fixture = fixture_new();
    for (int seen = 0; seen < 2; seen++) {
        Pb__Post altered[10];
        for (size_t i = 0; i < ARRAY_LEN(altered); i++)
            altered[i] = fixture.post;
        altered[0].author_id++;
        altered[1].subreddit_id++;
        altered[2].title = (char *)"";
        altered[3].content = NULL;
        altered[4].signed_at++;
        altered[5].signature = (char *)"";
        altered[6].signature_algorithm = PB__KEY_ALGORITHM__ECDSAP256;
        altered[7].signature_algorithm = (Pb__KeyAlgorithm)99;
        altered[8].author_key = NULL;
        altered[9].title = NULL;
        for (size_t i = 0; i < ARRAY_LEN(altered); i++)
            cr_expect_not(judge(&fixture, &altered[i], NULL), "%zu", i);
        cr_expect(judge(&fixture, &fixture.post, NULL));
    }
    fixture_free(&fixture);
}

Test(judge, says_no_of_what_is_not_signed)
{
    struct fixture fixture = fixture_new();
    fixture.post.signature_verified = true; /* whatever an engine says */
    Pb__Post plain = fixture.post;
    plain.signature = NULL;
    cr_expect_not(judge(&fixture, &plain, &fixture.key));
    cr_expect_not(judge(&fixture, &plain, NULL));
    fixture_free(&fixture);
}

Test(answers, hold_one_post_or_many_or_none)
{
    struct fixture fixture = fixture_new();
    Pb__Post other = fixture.post, plain = fixture.post,
             *items[4] = {&fixture.post, &plain, &other, &fixture.post};
    Pb__PostPage page = PB__POST_PAGE__INIT;
    Pb__UserKey none = PB__USER_KEY__INIT;
    Pb__Post *one;
    uint64_t authors[4];
    size_t count;
    other.author_id = AUTHOR + 1;
    plain.author_id = AUTHOR + 2;
    plain.signature = NULL;
    page.items = items;
    page.n_items = ARRAY_LEN(items);
    Pb__Post *const *posts =
        signed_post_list(schema_commands[CMD_posts_multiget].reply, &page.base, &one, &count);
    cr_assert_eq(count, 4);
    cr_assert_eq(signed_post_authors(posts, count, authors, 4), 2);
    cr_expect(authors[0] == AUTHOR && authors[1] == AUTHOR + 1);
    cr_expect_eq(signed_post_authors(posts, count, authors, 1), 1);
    posts = signed_post_list(schema_commands[CMD_posts_get].reply, &fixture.post.base, &one, &count);
    cr_assert_eq(count, 1);
    cr_expect_eq(posts[0], &fixture.post);
    (void)!signed_post_list(schema_commands[CMD_users_get_key].reply, &none.base, &one, &count);
    cr_expect_eq(count, 0);
    cr_expect(signed_post_is_request(&fixture.request.base));
    fixture.request.content = fixture.request.signature;
    fixture.request.signature = NULL;
    cr_expect_not(signed_post_is_request(&fixture.request.base));
    cr_expect_not(signed_post_is_request(&none.base));
    fixture.request.signature = fixture.request.content;
    fixture_free(&fixture);
}

Test(known_keys, are_kept_until_another_user_takes_the_place)
{
    struct known_keys *keys = known_keys_new();
    struct public_key key = {SIGNATURE_ED25519, "text"}, none = {0}, found;
    cr_expect_not(known_keys_find(keys, 0, &found));
    cr_expect_not(known_keys_find(keys, 3, &found));
    known_keys_learn(keys, 3, &key);
    known_keys_learn(keys, 4, &none);
    cr_assert(known_keys_find(keys, 3, &found));
    cr_expect(found.algorithm == SIGNATURE_ED25519 && strcmp(found.text, "text") == 0);
    cr_assert(known_keys_find(keys, 4, &found));
    cr_expect_null(found.text);
    known_keys_learn(keys, 3 + LIMIT_KNOWN_KEYS, &none);
    cr_expect_not(known_keys_find(keys, 3, &found));
    cr_expect(known_keys_find(keys, 3 + LIMIT_KNOWN_KEYS, &found));
    known_keys_learn(keys, 3, &key);
    cr_expect(known_keys_find(keys, 3, &found) && found.text != NULL);
    known_keys_free(keys);
}

/* "field:code field:code" */
static const char *said(const struct field_errors *errors)
{
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < errors->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%s", i > 0 ? " " : "",
                 errors->rows[i].field, errors->rows[i].code);
    return text;
}

Test(rules, of_a_key_want_both_fields_and_a_good_key)
{
    struct fixture fixture = fixture_new();
    char *key = (char *)fixture.key.text;
    static const Pb__KeyAlgorithm none = (Pb__KeyAlgorithm)0;
    const struct {
        char *key;
        Pb__KeyAlgorithm algorithm;
        const char *before, *said; /* `before`: a field that is wrong already */
    } rows[] = {
        {NULL, none, NULL, ""},
        {key, PB__KEY_ALGORITHM__ED25519, NULL, ""},
        {key, none, NULL, "key_algorithm:required"},
        {NULL, PB__KEY_ALGORITHM__ED25519, NULL, "public_key:required"},
        {key, PB__KEY_ALGORITHM__RSA2048, NULL, "public_key:other_algorithm"},
        {(char *)"QUJD", PB__KEY_ALGORITHM__ED25519, NULL, "public_key:bad_der"},
        {(char *)"QUI", PB__KEY_ALGORITHM__ED25519, NULL, "public_key:bad_base64"},
        {(char *)"MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", PB__KEY_ALGORITHM__ED25519,
         NULL, "public_key:unsafe_key"},
        {key, none, "key_algorithm", "key_algorithm:wrong"},
        {NULL, none, "public_key", "public_key:wrong key_algorithm:required"},
        {key, PB__KEY_ALGORITHM__ED25519, "username", "username:wrong"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct field_errors errors = {.count = rows[i].before != NULL};
        errors.rows[0] = (struct field_error){.field = rows[i].before, .code = "wrong"};
        Pb__UsersCreate request = PB__USERS_CREATE__INIT;
        request.public_key = rows[i].key;
        request.has_key_algorithm = rows[i].algorithm != none;
        request.key_algorithm = rows[i].algorithm;
        key_rules_of_user(&request.base, &errors);
        cr_expect_str_eq(said(&errors), rows[i].said, "%zu: %s", i, said(&errors));
    }
    fixture_free(&fixture);
}

Test(rules, of_a_signature_want_all_three_fields)
{
    enum { SIGNATURE = 1, ALGORITHM = 2, AT = 4 };
    static const struct {
        unsigned given;
        uint64_t signed_at;
        const char *said;
    } rows[] = {
        {0, 0, ""},
        {SIGNATURE | ALGORITHM | AT, 0, ""},
        {SIGNATURE | ALGORITHM | AT, UINT64_C(9007199254740991), ""},
        {SIGNATURE | ALGORITHM | AT, UINT64_C(9007199254740992), "signed_at:too_large"},
        {SIGNATURE, 0, "signature_algorithm:required signed_at:required"},
        {ALGORITHM | AT, 0, "signature:required"},
        {AT, UINT64_MAX, "signature:required signature_algorithm:required signed_at:too_large"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct field_errors errors = {.count = 0};
        Pb__PostsCreate request = PB__POSTS_CREATE__INIT;
        request.signature = (rows[i].given & SIGNATURE) != 0 ? (char *)"QUJD" : NULL;
        request.has_signature_algorithm = (rows[i].given & ALGORITHM) != 0;
        request.has_signed_at = (rows[i].given & AT) != 0;
        request.signed_at = rows[i].signed_at;
        key_rules_of_post(&request.base, &errors);
        cr_expect_str_eq(said(&errors), rows[i].said, "%zu: %s", i, said(&errors));
    }
}
