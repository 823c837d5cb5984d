#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"

/* stderr goes into a file from here on; capture_text gives what came so far. */
static int capture_fd = -1;
static char captured[4 * LOG_BUFFER_BYTES];

static void capture_begin(void)
{
    capture_fd = memfd_create("log", MFD_CLOEXEC);
    cr_assert_geq(capture_fd, 0);
    cr_assert_eq(dup2(capture_fd, STDERR_FILENO), STDERR_FILENO);
}

static const char *capture_text(void)
{
    ssize_t length = pread(capture_fd, captured, sizeof(captured) - 1, 0);
    cr_assert_geq(length, 0);
    captured[length] = '\0';
    return captured;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

Test(log_quote, leaves_plain_values_and_quotes_what_could_forge_a_pair_or_a_line)
{
    static const struct {
        const char *text, *quoted;
    } rows[] = {
        {"plain", "plain"},
        {"/api/posts/post_1?sort", "/api/posts/post_1?sort"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nbreak\r\t", "\"line\\x0abreak\\x0d\\x09\""},
        {"esc\x1b[31m", "\"esc\\x1b[31m\""},
        {"del\x7f", "\"del\\x7f\""},
        {"grüße", "grüße"},
        {"\xff\xfe", "\"\\xff\\xfe\""},
        {"cut \xe2\x82", "\"cut \\xe2\\x82\""},
        {"overlong \xc0\xaf", "\"overlong \\xc0\\xaf\""},
        {"surrogate\xed\xa0\x80", "\"surrogate\\xed\\xa0\\x80\""},
        {"c1\xc2\x9b", "\"c1\\xc2\\x9b\""},
        {"bidi\xe2\x80\xae", "\"bidi\\xe2\\x80\\xae\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[128];
        cr_assert_str_eq(log_quote(out, sizeof(out), rows[i].text), rows[i].quoted);
    }
}

Test(log_quote, cuts_to_any_room_without_breaking_an_escape_or_losing_the_closing_quote)
{
    static const char text[] = "a \"b\"\n\xc3\xbc";
    for (size_t size = 1; size < 40; size++) {
        char out[41];
        memset(out, '#', sizeof(out));
        log_quote(out, size, text);
        size_t length = strnlen(out, size);
        cr_assert_lt(length, size, "not terminated at size %zu", size);
        cr_assert_eq(out[size], '#', "wrote beyond size %zu", size);
        if (length > 0)
            cr_assert(length >= 2 && out[0] == '"' && out[length - 1] == '"', "size %zu: %s", size, out);
    }
}

Test(log, writes_time_level_role_and_pid_before_the_message)
{
    unsetenv("JOURNAL_STREAM");
    capture_begin();
    log_open("posts", LOG_LEVEL_INFO);
    log_info("engine started port=%d", 7103);
    int year, month, day, hour, minute, second, ms, pid, port;
    char level[8], role[8];
    int fields =
        sscanf(capture_text(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %7s %7[a-z][%d] engine started port=%d\n", &year,
               &month, &day, &hour, &minute, &second, &ms, level, role, &pid, &port);
    cr_assert_eq(fields, 11, "%s", capture_text());
    cr_assert_str_eq(level, "info");
    cr_assert_str_eq(role, "posts");
    cr_assert_eq(pid, getpid());
    cr_assert_eq(count_lines(capture_text()), 1);
}

Test(log, leaves_time_and_level_to_the_journal)
{
    capture_begin();
    struct stat status;
    char stream[64];
    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("dms", LOG_LEVEL_INFO);
    log_warn("disk is slow");
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "<4>dms[%d] disk is slow\n", (int)getpid());
    cr_assert_str_eq(capture_text(), wanted);
}

Test(log, ignores_a_journal_stream_that_is_not_this_stderr)
{
    capture_begin();
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_open("dms", LOG_LEVEL_INFO);
    log_warn("disk is slow");
    cr_assert_neq(capture_text()[0], '<');
}

Test(log, drops_what_is_below_the_level)
{
    capture_begin();
    log_open("x", LOG_LEVEL_NOTICE);
    log_info("not seen");
    log_debug("not seen");
    cr_assert_str_eq(capture_text(), "");
    log_level_set(LOG_LEVEL_DEBUG);
    log_debug("seen");
    cr_assert_not_null(strstr(capture_text(), "seen"));
}

Test(log, one_entry_is_one_line_and_is_cut_at_the_limit)
{
    capture_begin();
    log_open("x", LOG_LEVEL_INFO);
    log_info("forged\n2026-01-31T12:00:00.000Z error\x1b[0m");
    cr_assert_eq(count_lines(capture_text()), 1);
    cr_assert_null(strchr(capture_text(), '\x1b'));
    size_t before = strlen(capture_text());
    char *large = malloc(2 * LOG_LINE_MAX_BYTES);
    memset(large, 'a', 2 * LOG_LINE_MAX_BYTES - 1);
    large[2 * LOG_LINE_MAX_BYTES - 1] = '\0';
    log_info("%s", large);
    free(large);
    size_t length = strlen(capture_text()) - before;
    cr_assert_leq(length, LOG_LINE_MAX_BYTES);
    cr_assert_gt(length, LOG_LINE_MAX_BYTES - 8);
    cr_assert_str_eq(capture_text() + before + length - 4, "...\n");
}

Test(log, keeps_lines_while_buffering_and_writes_them_in_order_before_a_warning)
{
    capture_begin();
    log_open("x", LOG_LEVEL_INFO);
    log_buffering(true);
    log_info("first");
    log_info("second");
    cr_assert_str_eq(capture_text(), "");
    log_warn("third");
    const char *text = capture_text();
    cr_assert_eq(count_lines(text), 3);
    cr_assert_lt(strstr(text, "first"), strstr(text, "second"));
    cr_assert_lt(strstr(text, "second"), strstr(text, "third"));
    log_info("fourth");
    cr_assert_eq(count_lines(capture_text()), 3);
    log_flush();
    cr_assert_eq(count_lines(capture_text()), 4);
}

Test(log, never_keeps_more_than_its_buffer)
{
    capture_begin();
    log_open("x", LOG_LEVEL_INFO);
    log_buffering(true);
    for (int i = 0; i < 2000; i++)
        log_info("line number=%06d of many that do not fit", i);
    cr_assert_gt(count_lines(capture_text()), 0);
    log_buffering(false);
    cr_assert_eq(count_lines(capture_text()), 2000);
    cr_assert_not_null(strstr(capture_text(), "number=000000 "));
    cr_assert_not_null(strstr(capture_text(), "number=001999 "));
}

Test(log, knows_its_levels_by_name)
{
    enum log_level level = LOG_LEVEL_ERROR;
    cr_assert(log_level_parse("notice", &level));
    cr_assert_eq(level, LOG_LEVEL_NOTICE);
    cr_assert_not(log_level_parse("loud", &level));
    cr_assert_not(log_level_parse("", &level));
}
