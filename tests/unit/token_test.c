/* Tokens and the files of their keys: nothing but what was signed is believed. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attributes.h"
#include "proto/token.h"

#define NOW_MS UINT64_C(1700000000000)

static struct token_secret_key secret;
static struct token_public_keys keys;

static void make_keys(void)
{
    cr_assert_geq(sodium_init(), 0);
    token_keys_generate(&secret, &keys.rows[0]);
    keys.count = 1;
}

TestSuite(token, .init = make_keys);
TestSuite(token_keys, .init = make_keys);

static struct token make_token(void)
{
    return (struct token){.user_id = 17,
                          .session = 3,
                          .issued_ms = NOW_MS,
                          .expires_ms = NOW_MS + TOKEN_LIFE_MS,
                          .name = "Ann-of_20_characters"};
}

static enum token_fault open_at(const char *text, uint64_t now_ms)
{
    struct token token;
    return token_open(text, strlen(text), &keys, now_ms, &token);
}

Test(token, comes_back_as_it_was_signed)
{
    static const char *const names[] = {"", "abc", "Ann-of_20_characters"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[TOKEN_TEXT_MAX];
        struct token token = make_token(), found;
        memcpy(token.name, names[i], strlen(names[i]) + 1);
        token_sign(&token, &secret, text);
        cr_assert_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
                     strlen(text));
        cr_assert_eq(token_open(text, strlen(text), &keys, NOW_MS, &found), TOKEN_FINE);
        cr_assert(found.user_id == 17 && found.session == 3 && found.key_id == secret.id);
        cr_assert(found.issued_ms == NOW_MS && found.expires_ms == NOW_MS + TOKEN_LIFE_MS);
        cr_assert_str_eq(found.name, names[i]);
    }
}

Test(token, is_over_at_the_millisecond_that_it_says)
{
    char text[TOKEN_TEXT_MAX];
    struct token token = make_token();
    token_sign(&token, &secret, text);
    cr_assert_eq(open_at(text, token.expires_ms - 1), TOKEN_FINE);
    cr_assert_eq(open_at(text, token.expires_ms), TOKEN_EXPIRED);
}

Test(token, with_any_character_changed_left_out_or_added_is_refused)
{
    char text[TOKEN_TEXT_MAX], changed[TOKEN_TEXT_MAX + 8];
    struct token token = make_token();
    token_sign(&token, &secret, text);
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        strcpy(changed, text);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        cr_expect_neq(open_at(changed, NOW_MS), TOKEN_FINE, "changed at %zu", i);
        memcpy(changed, text, i);
        strcpy(changed + i, text + i + 1);
        cr_expect_neq(open_at(changed, NOW_MS), TOKEN_FINE, "left out at %zu", i);
        changed[i] = '\0';
        cr_expect_neq(open_at(changed, NOW_MS), TOKEN_FINE, "cut at %zu", i);
    }
    static const char *const tails[] = {"A", "=", "==", " ", ".", "AAAA"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(changed, sizeof(changed), "%s%s", text, tails[i]);
        cr_expect_neq(open_at(changed, NOW_MS), TOKEN_FINE, "with %s", tails[i]);
    }
    cr_expect_eq(open_at("", NOW_MS), TOKEN_MALFORMED);
    cr_expect_eq(open_at("forumd1.", NOW_MS), TOKEN_MALFORMED);
}

/* Not even in place of the letter for which libsodium takes it. */
Test(token, with_a_byte_beyond_ascii_is_none)
{
    char text[TOKEN_TEXT_MAX], changed[TOKEN_TEXT_MAX];
    struct token token = make_token();
    token_sign(&token, &secret, text);
    for (size_t i = 0; text[i] != '\0'; i++) {
        strcpy(changed, text);
        changed[i] = '\x80';
        cr_expect_eq(open_at(changed, NOW_MS), TOKEN_MALFORMED, "changed at %zu", i);
    }
}

Test(token, of_another_key_is_refused_even_under_the_id_of_ours)
{
    char text[TOKEN_TEXT_MAX];
    struct token token = make_token();
    struct token_secret_key other;
    struct token_public_key other_public;
    token_keys_generate(&other, &other_public);
    token_sign(&token, &other, text);
    cr_expect_eq(open_at(text, NOW_MS), TOKEN_UNKNOWN_KEY);
    other.id = secret.id;
    token_sign(&token, &other, text);
    cr_expect_eq(open_at(text, NOW_MS), TOKEN_FORGED);
}

Test(token, of_a_replaced_key_is_accepted_until_that_key_ends)
{
    char text[TOKEN_TEXT_MAX];
    struct token token = make_token();
    token_sign(&token, &secret, text);
    keys.rows[1] = keys.rows[0];
    keys.rows[1].until_ms = NOW_MS + 1000;
    struct token_secret_key next;
    token_keys_generate(&next, &keys.rows[0]);
    keys.count = 2;
    cr_expect_eq(open_at(text, NOW_MS + 999), TOKEN_FINE);
    cr_expect_eq(open_at(text, NOW_MS + 1000), TOKEN_UNKNOWN_KEY);
    token_sign(&token, &next, text);
    cr_expect_eq(open_at(text, NOW_MS + 1000), TOKEN_FINE);
}

/* --- files --- */

static const char *write_file(const char *text, mode_t mode)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/forumd-keys-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
    close(fd);
    return path;
}

Test(token_keys, come_back_from_their_files)
{
    char text[TOKEN_KEYS_FILE_BYTES];
    struct token_public_keys found;
    struct token_secret_key found_secret;
    keys.rows[1] = keys.rows[0];
    keys.rows[1].until_ms = NOW_MS;
    keys.count = 2;
    cr_assert_eq(token_public_keys_format(&keys, text), strlen(text));
    const char *path = write_file(text, 0600);
    cr_assert_null(token_public_keys_load(path, &found));
    unlink(path);
    cr_assert_eq(found.count, 2);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(found.rows[i].id == keys.rows[i].id && found.rows[i].until_ms == keys.rows[i].until_ms);
        cr_assert_arr_eq(found.rows[i].bytes, keys.rows[i].bytes, sizeof(keys.rows[i].bytes));
    }
    cr_assert_eq(token_secret_key_format(&secret, text), strlen(text));
    path = write_file(text, 0600);
    cr_assert_null(token_secret_key_load(path, &found_secret));
    unlink(path);
    cr_assert_eq(found_secret.id, secret.id);
    cr_assert_arr_eq(found_secret.bytes, secret.bytes, sizeof(secret.bytes));
}

Test(token_keys, are_refused_where_others_can_write_them_or_read_the_secret_one)
{
    char public_text[TOKEN_KEYS_FILE_BYTES], secret_text[TOKEN_KEYS_FILE_BYTES];
    struct token_public_keys found;
    struct token_secret_key found_secret;
    static const struct {
        mode_t mode;
        bool public_fine, secret_fine;
    } rows[] = {{0600, true, true},   {0644, true, false},  {0640, true, false}, {0604, true, false},
                {0620, false, false}, {0602, false, false}, {0666, false, false}};
    (void)!token_public_keys_format(&keys, public_text);
    (void)!token_secret_key_format(&secret, secret_text);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *path = write_file(public_text, rows[i].mode);
        cr_expect_eq(token_public_keys_load(path, &found) == NULL, rows[i].public_fine, "%o",
                     (unsigned)rows[i].mode);
        unlink(path);
        path = write_file(secret_text, rows[i].mode);
        cr_expect_eq(token_secret_key_load(path, &found_secret) == NULL, rows[i].secret_fine, "%o",
                     (unsigned)rows[i].mode);
        unlink(path);
    }
}

Test(token_keys, are_refused_where_they_are_none)
{
    char good[TOKEN_KEYS_FILE_BYTES], cut[TOKEN_KEYS_FILE_BYTES];
    struct token_public_keys found;
    struct token_secret_key found_secret;
    size_t length = token_public_keys_format(&keys, good);
    for (size_t i = 0; i < length; i++) {
        memcpy(cut, good, i);
        cut[i] = '\0';
        const char *path = write_file(cut, 0600);
        cr_expect_not_null(token_public_keys_load(path, &found), "cut at %zu", i);
        cr_expect_not_null(token_secret_key_load(path, &found_secret), "cut at %zu", i);
        unlink(path);
    }
    cr_expect_not_null(token_public_keys_load("/nowhere/token.pub", &found));
}
