/*
 * Slows down the guessing of passwords. Failures are counted in the page of limits (limits_page.h), by three
 * rules at once; past a rule's free failures each one more doubles the time in which nothing else is tried,
 * and all are forgotten bit by bit:
 *
 *   pair     this account from this address: somebody who guesses
 *   address  any accounts from this address: one password tried on many accounts
 *   account  this account from anywhere: many addresses that guess at one account
 *
 * An attempt counts as failed from its beginning until the opposite is known: many at once are worth no more
 * than one after the other, and nobody gains by hanging up before the answer. Nothing waits in the server: an
 * attempt that comes too early is refused before the password is looked at, and does not count.
 *
 * A log-in that succeeds clears its pair's failures, not the address's: else one's own account would buy more
 * guesses at others. It also makes the address known for the account, for 30 days; the account's rule then
 * does not hold there. So strangers who guess at an account keep its owner out at most where he never logged
 * in before (or not since the gateway's master was started), and of guesses from anywhere that are not known
 * there is one a minute at most. That is the price of a limit that an attacker with many addresses cannot
 * pass: tokens that were handed out, and addresses that are known, are not touched.
 *
 * Accounts are hashed, so that those that do not exist are treated alike. Times in ms of CLOCK_MONOTONIC.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/client_address.h"
#include "gateway/limits_page.h"
#include "gateway/rate_limit.h"

enum login_rule { LOGIN_PAIR, LOGIN_ADDRESS, LOGIN_ACCOUNT, LOGIN_RULES };

#define LOGIN_KNOWN_MS (30 * 24ull * 3600 * 1000)

struct login_guard {
    const struct limits_page *page;
};

struct login_attempt {
    uint64_t owners[LOGIN_RULES];
    uint32_t blocked_until[LOGIN_RULES]; /* as this attempt left it */
    unsigned counted;                    /* bits: rules that count it */
};

/* 0: the password may be looked at, and the attempt counts as failed unless login_guard_succeeded or
 * login_guard_undecided follows. Else the ms after which another attempt may be made. `account` is in the
 * form in which accounts are the same (names folded). */
uint64_t login_guard_begin(const struct login_guard *guard, struct login_attempt *attempt,
                           const struct client_address *address, const char *account,
                           uint64_t now_ms) MUST_USE;
void login_guard_succeeded(const struct login_guard *guard, const struct login_attempt *attempt,
                           uint64_t now_ms);
/* No password was compared: nothing has happened. */
void login_guard_undecided(const struct login_guard *guard, const struct login_attempt *attempt);
