/*
 * The strict look at a JSON text before json-c sees it: RFC 8259 to the letter, and I-JSON's (RFC 7493) bans
 * on what readers disagree about. json-c lets pass, even in strict mode: duplicate keys, NaN, Infinity,
 * single quotes, comments, lone surrogates, NUL in strings, integers that saturate, trailing bytes. Pure;
 * worker's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/attributes.h"

/* Longer numbers are refused: none that this server could mean is. */
#define JSON_NUMBER_MAX_BYTES 128

struct json_fault {
    size_t offset;      /* of the byte that is wrong */
    const char *field;  /* key of the outermost object in whose value it is; NULL: in none */
    const char *detail; /* what is wrong; static */
};

/* True: `text` is one JSON object, no deeper than JSON_DEPTH_MAX. False: *fault says why not. Keys are
 * compared after unescaping; scratch memory comes from the arena, linear in the text. */
bool json_scan(const char *text, size_t length, struct arena *arena, struct json_fault *fault) MUST_USE;
