/* Debian changelogs (deb-changelog(5)), as they are found: the older, the looser. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/attributes.h"

#define CHANGELOG_MAX_BYTES (64u << 20) /* unpacked; more is not read */

/* A bullet of an entry: "* ", or where there is none above it, "- " or "+ ". */
struct changelog_bullet {
    char *text;    /* continuation lines joined by a space, sub-bullets by a newline; never empty */
    char *author;  /* of the "[ Name ]" section it stands in; NULL: the entry's maintainer */
    size_t parent; /* position + 1 of the bullet that it is a sub-bullet of; 0: none. Only if sub-bullets are
                      asked for */
};

struct changelog_entry {
    char *package, *version; /* as the head line says */
    char *title;             /* the head line */
    char *content;           /* the lines below it, with the trailer */
    char *maintainer;        /* a name; NULL if the trailer has none */
    struct changelog_bullet *bullets;
    size_t bullet_count, bullet_capacity;
};

struct changelog {
    struct changelog_entry *entries; /* newest first, as in the file */
    size_t entry_count, entry_capacity;
};

/* `text` is valid UTF-8. With `sub_bullets`, each of those is a bullet of its own with a parent; else a line
 * of its bullet. */
struct changelog *changelog_parse(const char *text, bool sub_bullets) MUST_USE;
/* Unpacks and parses a gzip (or plain) file; what is not UTF-8 is taken as Latin-1. NULL if it cannot be
 * read. */
struct changelog *changelog_read(const char *path, bool sub_bullets) MUST_USE;
void changelog_free(struct changelog *changelog);
