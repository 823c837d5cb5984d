/* The ids of the API ("post_17") as kind and number. */
#pragma once

#include <stdint.h>

enum id_kind { ID_USER, ID_SUBREDDIT, ID_POST, ID_COMMENT, ID_MESSAGE };
enum { ID_KINDS = ID_MESSAGE + 1, ID_TEXT_BYTES = 32 };

struct id_text {
    char text[ID_TEXT_BYTES];
};

/* The number, or 0 if `text` (NULL allowed) is no id of that kind. Numbers count from 1. */
uint64_t id_parse(enum id_kind kind, const char *text);
struct id_text id_format(enum id_kind kind, uint64_t number);
/* "user", "subreddit", "post", "comment", "message" */
const char *id_kind_name(enum id_kind kind);
