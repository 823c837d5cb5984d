/* Signs tokens with the key in a file (proto/token_keys.h), and goes over to the next one when it is
 * replaced. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "proto/token.h"

struct token_signer {
    struct token_key_file file;
    struct token_secret_key key;
};

/* Exits (EXIT_CONFIG) when the key cannot be read. `path` must stay. */
void token_signer_open(struct token_signer *signer, const char *path);
void token_signer_close(struct token_signer *signer); /* wipes the key */
/* For engine_options.open. */
bool token_signer_open_token(void *arg, const char *text, uint64_t wall_ms, struct token *token) MUST_USE;
/* For engine_options.sign; `arg` is the signer, `text` has TOKEN_TEXT_MAX. Always true: a replaced file that
 * cannot be read leaves the key as it is. */
bool token_signer_sign(void *arg, struct token *token, char *text) MUST_USE;
