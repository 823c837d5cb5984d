#include "tests/sim/names.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/hash.h"
#include "tests/sim/memory.h"
#include "tests/sim/table.h"

enum { NAME_BYTES = 24, TAIL_LENGTH = 6, TAIL_BYTES = TAIL_LENGTH + 2 };

const struct name_rule name_rule_user = {.extra = "_-", .min = 3, .max = 20};
const struct name_rule name_rule_subreddit = {.extra = "_", .min = 3, .max = 21};

struct name_book {
    const struct name_rule *rule;
    char (*names)[NAME_BYTES];
    size_t count, capacity;
    struct table *by_text; /* hash of the folded text -> position + 1 */
    struct table *taken;   /* hash of the folded name -> 1 */
};

struct name_book *name_book_new(const struct name_rule *rule)
{
    struct name_book *book = mem_zeroed(1, sizeof *book);

    book->rule = rule;
    book->by_text = table_new();
    book->taken = table_new();
    return book;
}

void name_book_free(struct name_book *book)
{
    table_free(book->by_text);
    table_free(book->taken);
    free(book->names);
    free(book);
}

/* Two independent halves: 128 bits do not meet by chance. Runs of white space count as one space. */
static void hash_folded(const char *text, uint64_t hash[2])
{
    bool blank = false;

    hash[0] = HASH_START;
    hash[1] = hash_number(HASH_START, 1);
    for (; *text != '\0'; text++) {
        char folded = (char)tolower((unsigned char)*text);

        if (isspace((unsigned char)folded)) {
            blank = true;
            continue;
        }
        for (unsigned i = 0; i < 2; i++) {
            if (blank) {
                hash[i] = hash_bytes(hash[i], " ", 1);
            }
            hash[i] = hash_bytes(hash[i], &folded, 1);
        }
        blank = false;
    }
}

/* The base letters of U+00C0 - U+017F (Latin-1 Supplement, Latin Extended-A); '_' where there is none. */
static char base_letter(unsigned code_point)
{
    static const char letters[] = "AAAAAAACEEEEIIIIDNOOOOO_OUUUUYTsaaaaaaaceeeeiiiidnooooo_ouuuuyty"
                                  "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
                                  "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

    return code_point >= 0xC0 && code_point < 0x180 ? letters[code_point - 0xC0] : '_';
}

/* True if it is `text` itself but for spaces, dashes and the like that became '_'. */
static bool write_plain(const struct name_rule *rule, const char *text, char name[NAME_BYTES])
{
    const unsigned char *at = (const unsigned char *)text;
    size_t length = 0;
    bool faithful = true;

    while (*at != '\0') {
        char character = '_';
        size_t step = 1;

        if (isalnum(*at) || strchr(rule->extra, *at) != NULL) {
            character = (char)*at;
            faithful = faithful && *at != '_';
        } else if (*at >= 0xC3 && *at <= 0xC5 && at[1] != '\0') {
            character = base_letter(((*at & 0x1Fu) << 6) | (at[1] & 0x3Fu));
            step = 2;
            faithful = false;
        } else {
            faithful = faithful && *at == (strchr(rule->extra, '-') != NULL ? ' ' : '-');
            while (*at >= 0x80 && (at[step] & 0xC0) == 0x80) {
                step++;
            }
        }
        if (length == rule->max) {
            faithful = false;
            break;
        }
        /* No name starts with '_', and no two stand together: runs of junk become one. */
        if (character != '_' || (length > 0 && name[length - 1] != '_')) {
            name[length++] = character;
        } else {
            faithful = false;
        }
        at += step;
    }
    name[length] = '\0';
    return faithful && length >= rule->min;
}

static void write_tail(uint64_t hash, char tail[TAIL_BYTES])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    tail[0] = '_';
    for (unsigned i = 1; i <= TAIL_LENGTH; i++) {
        tail[i] = digits[hash % 36];
        hash /= 36;
    }
    tail[TAIL_LENGTH + 1] = '\0';
}

static uint64_t *taken_place(struct name_book *book, const char *name)
{
    uint64_t hash[2];

    hash_folded(name, hash);
    return table_put(book->taken, hash[0], hash[1]);
}

/* What does not survive as it is gets a tail made of its hash, so that others like it get other names. */
static void write_name(struct name_book *book, const char *text, uint64_t text_hash, char name[NAME_BYTES])
{
    char plain[NAME_BYTES], tail[TAIL_BYTES];
    bool faithful = write_plain(book->rule, text, plain);

    snprintf(name, NAME_BYTES, "%s", plain);
    for (uint64_t salt = 0; !faithful || *taken_place(book, name) != 0; salt++) {
        faithful = true;
        write_tail(hash_number(text_hash, salt), tail);
        plain[book->rule->max - strlen(tail)] = '\0';
        while (plain[0] != '\0' && plain[strlen(plain) - 1] == '_') {
            plain[strlen(plain) - 1] = '\0';
        }
        snprintf(name, NAME_BYTES, "%.14s%s", plain[0] != '\0' ? plain : "x", tail);
    }
    *taken_place(book, name) = 1;
}

size_t name_book_add(struct name_book *book, const char *text)
{
    uint64_t hash[2];
    uint64_t *place;

    hash_folded(text, hash);
    place = table_put(book->by_text, hash[0], hash[1]);
    if (*place == 0) {
        book->names = mem_grow(book->names, book->count, &book->capacity, sizeof book->names[0]);
        write_name(book, text, hash[0], book->names[book->count]);
        *place = ++book->count;
    }
    return *place - 1;
}

size_t name_book_count(const struct name_book *book)
{
    return book->count;
}

const char *name_book_name(const struct name_book *book, size_t position)
{
    return book->names[position];
}
