/* The contract's routes once more, as a table for bad input: what each takes, and what a right request looks
 * like. Written from the contract, not from the server's tables, so that the two check each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum bad_kind { BAD_END, BAD_TEXT, BAD_ID, BAD_WORD, BAD_NUMBER, BAD_CURSOR, BAD_REFUSED };

struct bad_field {
    const char *name;
    enum bad_kind kind;
    const char *valid; /* NULL: left out of the right request */
    bool required, any_length;
    unsigned min, max;        /* characters; of a number, its value */
    const char *const *wrong; /* texts with bad characters, NULL-terminated */
    const char *missing;      /* an id of that kind that nothing has; NULL: another rule answers first */
    const char *missing_code; /* what the answer to it says, with 404 */
};

#define BAD_FIELDS 9
#define BAD_PATHS  3

struct bad_path {
    const char *path; /* with one id that nothing has */
    const char *code;
};

struct bad_route {
    const char *method, *path;           /* a right path */
    const char *pattern;                 /* the path with one %s for a malformed id; NULL: none in it */
    struct bad_path missing[BAD_PATHS];  /* 404s */
    struct bad_field fields[BAD_FIELDS]; /* of the body (POST), of the query (GET) */
    bool token;                          /* needs the token of user_1, even in open mode */
};

#define BAD_PASSWORD "correct horse battery" /* user_1's */

extern const struct bad_route bad_routes[];
extern const size_t bad_route_count;
