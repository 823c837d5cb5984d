/*
 * Tokens as workers check them: signature, key and time (proto/token.h), with the keys of a file that is read
 * again when it was replaced. What was found valid is remembered by a keyed hash of the token's text, so that
 * the next request with it costs 1 us instead of 60. Worker's thread only.
 */
#pragma once

#include <stdint.h>

#include "common/attributes.h"
#include "proto/token.h"

struct token_checker;

/* Exits (EXIT_CONFIG) when the keys cannot be read. `path` must stay. */
struct token_checker *token_checker_new(const char *path) MUST_USE;
void token_checker_free(struct token_checker *checker); /* NULL is fine */

/* Everything but whether its session was closed. */
enum token_fault token_checker_open(struct token_checker *checker, const char *text, size_t length,
                                    struct token *token) MUST_USE;
