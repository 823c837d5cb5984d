#include "proto/rules.h"

#include <string.h>

size_t rules_count_chars(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_username(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_alnum(text[i]) && text[i] != '_' && text[i] != '-')
            return false;
    return true;
}

static bool is_subreddit_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_alnum(text[i]) && (text[i] != '_' || i == 0))
            return false;
    return true;
}

static bool is_url(const char *text, size_t length)
{
    size_t scheme = 0;
    if (length > 7 && strncmp(text, "http://", 7) == 0)
        scheme = 7;
    else if (length > 8 && strncmp(text, "https://", 8) == 0)
        scheme = 8;
    if (scheme == 0 || text[scheme] == '/')
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            return false;
    return true;
}

static bool is_any(const char *text, size_t length)
{
    (void)text, (void)length;
    return true;
}

static const struct {
    bool (*matches)(const char *text, size_t length);
    const char *words;
} patterns[] = {
    [PATTERN_ANY] = {is_any, "is text"},
    [PATTERN_USERNAME] = {is_username, "has only letters, digits, _ and -"},
    [PATTERN_SUBREDDIT_NAME] = {is_subreddit_name,
                                "has only letters, digits and _, and does not start with _"},
    [PATTERN_URL] = {is_url, "is an http:// or https:// address without spaces"},
};

bool rules_pattern_matches(enum text_pattern pattern, const char *text, size_t length)
{
    return patterns[pattern].matches(text, length);
}

const char *rules_pattern_words(enum text_pattern pattern)
{
    return patterns[pattern].words;
}
