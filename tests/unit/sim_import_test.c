#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/sim/changelog.h"
#include "tests/sim/names.h"
#include "tests/sim/text.h"

/* ---- changelogs ---- */

static const char sample[] = "bash (5.2-2) unstable; urgency=medium\n"
                             "\n"
                             "  [ Ada Lovelace ]\n"
                             "  * Apply upstream patches\n"
                             "    001 - 002.\n"
                             "    - Expanding arrays can\n"
                             "      crash.\n"
                             "    + A second one.\n"
                             "\n"
                             "  [ Grace Hopper ]\n"
                             "  * Found a bug.\n"
                             "  *\n"
                             "\n"
                             " -- Matthias Klose <doko@debian.org>  Mon, 24 Oct 2022 10:34:28 +0200\n"
                             "\n"
                             "bash (5.2-1) experimental; urgency=low\n"
                             "\n"
                             "  - Old style bullet.\n"
                             "\n"
                             " -- \"Ein Name\" <x@y>  Mon, 26 Sep 2022 21:34:20 +0200\n"
                             "\n"
                             "# Older entries have been removed from this changelog.\n";

Test(changelog, splits_entries_with_title_version_and_maintainer)
{
    struct changelog *log = changelog_parse(sample, false);

    cr_assert_eq(log->entry_count, 2);
    cr_expect_str_eq(log->entries[0].package, "bash");
    cr_expect_str_eq(log->entries[0].version, "5.2-2");
    cr_expect_str_eq(log->entries[0].title, "bash (5.2-2) unstable; urgency=medium");
    cr_expect_str_eq(log->entries[0].maintainer, "Matthias Klose");
    cr_expect_str_eq(log->entries[1].version, "5.2-1");
    cr_expect_str_eq(log->entries[1].maintainer, "Ein Name");
    changelog_free(log);
}

Test(changelog, keeps_the_whole_entry_from_its_first_line_to_its_trailer)
{
    struct changelog *log = changelog_parse(sample, false);

    cr_expect_str_eq(log->entries[1].content,
                     "  - Old style bullet.\n\n -- \"Ein Name\" <x@y>  Mon, 26 Sep 2022 21:34:20 +0200\n");
    cr_expect_null(strstr(log->entries[1].content, "Older entries"));
    changelog_free(log);
}

Test(changelog, joins_continuation_lines_and_keeps_sub_bullets_in_their_bullet)
{
    struct changelog *log = changelog_parse(sample, false);

    cr_assert_eq(log->entries[0].bullet_count, 2, "the empty bullet is none");
    cr_expect_str_eq(log->entries[0].bullets[0].text,
                     "Apply upstream patches 001 - 002.\n- Expanding arrays can crash.\n+ A second one.");
    cr_expect_str_eq(log->entries[0].bullets[1].text, "Found a bug.");
    cr_expect_eq(log->entries[0].bullets[1].parent, 0);
    changelog_free(log);
}

Test(changelog, makes_sub_bullets_replies_where_asked_for)
{
    struct changelog *log = changelog_parse(sample, true);
    const struct changelog_entry *entry = &log->entries[0];

    cr_assert_eq(entry->bullet_count, 4);
    cr_expect_str_eq(entry->bullets[0].text, "Apply upstream patches 001 - 002.");
    cr_expect_eq(entry->bullets[0].parent, 0);
    cr_expect_str_eq(entry->bullets[1].text, "Expanding arrays can crash.");
    cr_expect_eq(entry->bullets[1].parent, 1);
    cr_expect_str_eq(entry->bullets[2].text, "A second one.");
    cr_expect_eq(entry->bullets[2].parent, 1);
    cr_expect_eq(entry->bullets[3].parent, 0);
    changelog_free(log);
}

Test(changelog, renumbers_parents_when_an_empty_bullet_is_dropped)
{
    struct changelog *log =
        changelog_parse("a (1) x; u=l\n\n  *\n    - orphan\n  * top\n    - child\n", true);
    const struct changelog_entry *entry = &log->entries[0];

    cr_assert_eq(entry->bullet_count, 3);
    cr_expect_str_eq(entry->bullets[0].text, "orphan");
    cr_expect_eq(entry->bullets[0].parent, 0);
    cr_expect_str_eq(entry->bullets[2].text, "child");
    cr_expect_eq(entry->bullets[2].parent, 2);
    changelog_free(log);
}

Test(changelog, gives_bullets_of_a_section_their_author_until_the_entry_ends)
{
    struct changelog *log = changelog_parse(sample, false);

    cr_expect_str_eq(log->entries[0].bullets[0].author, "Ada Lovelace");
    cr_expect_str_eq(log->entries[0].bullets[1].author, "Grace Hopper");
    cr_expect_null(log->entries[1].bullets[0].author);
    cr_expect_str_eq(log->entries[1].bullets[0].text, "Old style bullet.");
    changelog_free(log);
}

Test(changelog, takes_no_line_for_a_head_that_only_looks_like_one)
{
    struct changelog *log =
        changelog_parse("not a head (1.0)\nfoo () x\nfoo bar\n  foo (1.0) x\n(1.0)\nfoo (1 0) x\n", false);

    cr_expect_eq(log->entry_count, 0);
    changelog_free(log);
}

Test(changelog, ends_an_entry_without_a_trailer_at_the_next_head_and_at_the_end)
{
    struct changelog *log = changelog_parse("a (1) x; u=l\n\n  * one\n\na (0) x; u=l\n\n  * two", false);

    cr_assert_eq(log->entry_count, 2);
    cr_expect_null(log->entries[0].maintainer);
    cr_expect_str_eq(log->entries[0].bullets[0].text, "one");
    cr_expect_str_eq(log->entries[1].bullets[0].text, "two");
    changelog_free(log);
}

Test(changelog, reads_gzip_and_turns_latin_1_into_utf_8)
{
    char path[] = "/tmp/sim_import_test_XXXXXX";
    int fd = mkstemp(path);
    struct changelog *log;
    gzFile file;

    cr_assert_geq(fd, 0);
    file = gzdopen(fd, "wb");
    gzputs(file, "a (1) x; u=l\n\n  * caf\xe9 and caf\xc3\xa9\n\n -- J\xf6rg <j@x>  date\n");
    gzclose(file);
    log = changelog_read(path, false);
    unlink(path);
    cr_assert_not_null(log);
    cr_expect_str_eq(log->entries[0].bullets[0].text, "café and café");
    cr_expect_str_eq(log->entries[0].maintainer, "Jörg");
    changelog_free(log);
}

Test(changelog, of_a_missing_file_is_none)
{
    cr_expect_null(changelog_read("/nonexistent/changelog.Debian.gz", false));
}

/* ---- text ---- */

Test(text, makes_valid_utf_8_of_anything)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *text;
    } rows[] = {
        {"plain", 5, "plain"},
        {"\xe2\x82\xac", 3, "€"},
        {"\xe2\x82", 2, "â"},                /* cut short: 0x82 is a Latin-1 control */
        {"\xc0\xaf", 2, "À¯"},               /* overlong */
        {"\xed\xa0\x80", 3, "í\xc2\xa0"},    /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "ô"},        /* beyond U+10FFFF */
        {"a\0b\x01\tc\n\x7f", 8, "ab\tc\n"}, /* controls */
        {"\xc2\x85x", 3, "x"},               /* a control in two bytes */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = text_to_utf8(rows[i].bytes, rows[i].length);

        cr_expect_str_eq(text, rows[i].text, "row %zu: %s", i, text);
        free(text);
    }
}

Test(text, is_cut_by_code_points)
{
    char text[] = "aä€😀b";

    cr_expect_eq(text_length(text), 5);
    text_cut(text, 9);
    cr_expect_str_eq(text, "aä€😀b");
    text_cut(text, 4);
    cr_expect_str_eq(text, "aä€😀");
    text_cut(text, 2);
    cr_expect_str_eq(text, "aä");
    text_cut(text, 0);
    cr_expect_str_eq(text, "");
}

Test(text, is_trimmed_at_both_ends)
{
    char text[] = " \t two words \n";
    char blank[] = "  \n ";

    text_trim(text);
    cr_expect_str_eq(text, "two words");
    text_trim(blank);
    cr_expect_str_eq(blank, "");
}

/* ---- names ---- */

static const char *name_of(struct name_book *book, const char *text)
{
    return name_book_name(book, name_book_add(book, text));
}

static void expect_valid(const struct name_rule *rule, const char *name, const char *text)
{
    size_t length = strlen(name);

    cr_expect(length >= rule->min && length <= rule->max, "%s -> %s is %zu long", text, name, length);
    cr_expect_neq(name[0], '_', "%s -> %s", text, name);
    for (const char *at = name; *at != '\0'; at++) {
        cr_expect(isalnum((unsigned char)*at) || strchr(rule->extra, *at) != NULL, "%s -> %s", text, name);
    }
}

Test(names, keep_what_is_a_name_and_spell_what_nearly_is)
{
    struct name_book *subreddits = name_book_new(&name_rule_subreddit);
    struct name_book *users = name_book_new(&name_rule_user);

    cr_expect_str_eq(name_of(subreddits, "bash"), "bash");
    cr_expect_str_eq(name_of(subreddits, "gcc-12-base"), "gcc_12_base");
    cr_expect_str_eq(name_of(users, "Matthias Klose"), "Matthias_Klose");
    cr_expect_str_eq(name_of(users, "Jean-Luc"), "Jean-Luc");
    name_book_free(subreddits);
    name_book_free(users);
}

Test(names, fit_the_rules_whatever_the_text)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "m4",
                                        "_",
                                        "__init__",
                                        "libstdc++6",
                                        "a.b",
                                        "日本語",
                                        "Jörg Öäü",
                                        "   ",
                                        "[ ]",
                                        "-- --",
                                        "libjavascriptcoregtk-4.1-0-dbgsym",
                                        "O'Brien",
                                        "😀😀😀😀😀😀😀",
                                        "a-b_c d"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct name_book *subreddits = name_book_new(&name_rule_subreddit);
        struct name_book *users = name_book_new(&name_rule_user);

        expect_valid(&name_rule_subreddit, name_of(subreddits, texts[i]), texts[i]);
        expect_valid(&name_rule_user, name_of(users, texts[i]), texts[i]);
        name_book_free(subreddits);
        name_book_free(users);
    }
}

Test(names, do_not_meet_even_where_their_texts_do_without_case_and_accents)
{
    static const char *const texts[] = {"Jorg Foo",
                                        "Jörg Foo",
                                        "Jorg_Foo",
                                        "Jorg-Foo",
                                        "Jorg  +Foo",
                                        "Jorg.Foo",
                                        "A very long name that is cut 1",
                                        "A very long name that is cut 2"};
    struct name_book *book = name_book_new(&name_rule_user);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        name_book_add(book, texts[i]);
    }
    cr_assert_eq(name_book_count(book), sizeof texts / sizeof texts[0]);
    for (size_t a = 0; a < name_book_count(book); a++) {
        for (size_t b = 0; b < a; b++) {
            cr_expect_neq(strcasecmp(name_book_name(book, a), name_book_name(book, b)), 0, "%s and %s -> %s",
                          texts[a], texts[b], name_book_name(book, a));
        }
    }
    name_book_free(book);
}

Test(names, are_one_for_texts_that_differ_in_case_or_white_space_only)
{
    struct name_book *book = name_book_new(&name_rule_user);

    cr_expect_eq(name_book_add(book, "Ada Lovelace"), name_book_add(book, "ada  LOVELACE"));
    cr_expect_eq(name_book_count(book), 1);
    name_book_free(book);
}

Test(names, are_the_same_in_every_book_whatever_came_before)
{
    struct name_book *one = name_book_new(&name_rule_subreddit);
    struct name_book *two = name_book_new(&name_rule_subreddit);
    char first[32];

    snprintf(first, sizeof first, "%s", name_of(one, "libstdc++6"));
    name_book_add(two, "libstdc--6");
    name_book_add(two, "bash");
    cr_expect_str_eq(name_of(two, "libstdc++6"), first);
    name_book_free(one);
    name_book_free(two);
}
