/* Keys and signed posts, for people: what `keygen`, `sign` and `verify-signature` do. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "tests/lib/signer.h"
#include "tests/sim/client.h"

/* Makes a key in a new file, and prints the public key. Trouble ends the process. */
void sign_make_key(const char *file, const char *algorithm);
/* Prints the body for POST /api/posts/create, signed with the key in that file; signed_at 0: now. Trouble
 * ends the process. */
void sign_post(const char *file, struct signer_post post);
/* Reads a post and its author's key, verifies by itself, and says what it found. True: signed, verified, and
 * the server says the same. */
bool sign_verify(struct client *client, const char *post_id) MUST_USE;
