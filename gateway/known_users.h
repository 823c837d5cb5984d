/*
 * What the worker remembers of users: their names, which never change (bounded, direct-mapped: a newer one
 * takes an older one's place), and who acted lately (presence). Worker's thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

#define KNOWN_USERS_TOUCH_MS  1000 /* a user's acting is told to the users engine that often at most */
#define KNOWN_USERS_TELL_MS   20   /* and all of them together that often */
#define KNOWN_USERS_TOUCH_MAX 4096 /* in one go; who acts beyond that is told the next time */

struct known_users;

struct known_users *known_users_new(void) MUST_USE;
void known_users_free(struct known_users *users);

/* NULL: not known here. Valid until the next known_users_learn. */
const char *known_users_name(const struct known_users *users, uint64_t id);
void known_users_learn(struct known_users *users, uint64_t id, const char *name);

/* The user (a known one) acted. */
void known_users_touch(struct known_users *users, uint64_t id, uint64_t now_ms);
/* Whom to tell the users engine of now: their number; 0: nobody, or not yet. They count as told. Valid until
 * the next touch. */
size_t known_users_take(struct known_users *users, uint64_t now_ms, const uint64_t **ids);
/* When known_users_take will have something; UINT64_MAX: nobody waits. */
uint64_t known_users_next_ms(const struct known_users *users);
