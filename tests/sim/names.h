/*
 * From any text to a name that the API takes: the same text always to the same name, and no two texts to one
 * name, whatever its case. Texts that differ only in case or white space count as the same.
 */
#pragma once

#include <stddef.h>

#include "common/attributes.h"

struct name_rule {
    const char *extra; /* characters beside letters and digits */
    size_t min, max;   /* length */
};

extern const struct name_rule name_rule_user;      /* 3-20 of [A-Za-z0-9_-] */
extern const struct name_rule name_rule_subreddit; /* 3-21 of [A-Za-z0-9_], not starting with _ */

struct name_book;

struct name_book *name_book_new(const struct name_rule *rule) MUST_USE;
void name_book_free(struct name_book *book);

/* The position of the text's name, added if it is new: positions count from 0. `text` is valid UTF-8. */
size_t name_book_add(struct name_book *book, const char *text);
size_t name_book_count(const struct name_book *book);
const char *name_book_name(const struct name_book *book, size_t position);
