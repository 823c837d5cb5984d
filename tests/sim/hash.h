/* 64-bit hashes for tables, fingerprints and derived names. Stable between runs and machines; not
 * cryptographic. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(14695981039346656037)

/* FNV-1a over the bytes, going on from `hash` (HASH_START at first). */
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length);
/* The text with its final NUL, so that ("ab", "c") and ("a", "bc") differ. NULL is "". */
uint64_t hash_text(uint64_t hash, const char *text);
uint64_t hash_number(uint64_t hash, uint64_t number);
/* Spreads every bit of `hash` over all of the result. */
uint64_t hash_finish(uint64_t hash);
