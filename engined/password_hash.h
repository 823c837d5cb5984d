/* Argon2id by libsodium: the one slow thing, done by the password processes alone. Parameters in limits.h. */
#pragma once

#include <stdbool.h>

#include "common/attributes.h"
#include "proto/passwords.pb-c.h"

#define PASSWORD_HASH_MAX 128 /* a hash as text, with its NUL */

/* What is checked against where there is no hash; for tests. */
const char *password_nobodys_hash(void);

/*
 * Does what the request says: checks `password` against `hash`, then makes the hash of `new_password`, if
 * that is asked for and the check went well. Without a hash the check takes the same time, and fails.
 * `new_hash` (PASSWORD_HASH_MAX) is what `reply` points to. False: no memory.
 */
bool password_hash_answer(const Pb__PasswordsCheck *request, char *new_hash,
                          Pb__PasswordsChecked *reply) MUST_USE;
