/* The domains: one engine each. The number is the high byte of its command and event ids. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

enum domain_id {
    DOMAIN_ENGINE, /* what every engine answers */
    DOMAIN_USERS,
    DOMAIN_SUBREDDITS,
    DOMAIN_POSTS,
    DOMAIN_COMMENTS,
    DOMAIN_DMS,
    DOMAIN_FEED,
    DOMAIN_COUNT,
    /* No engine: processes without a state of their own that the users engine asks (engined/passwords.h). */
    DOMAIN_PASSWORDS = DOMAIN_COUNT,
};

#define DOMAIN_FIRST             DOMAIN_USERS
#define DOMAIN_PORT_BASE_DEFAULT 7100
#define DOMAIN_PORT_BASE_MAX     32000 /* ports stay below the ephemeral range */

const char *domain_name(enum domain_id domain);
bool domain_parse(const char *name, enum domain_id *domain) MUST_USE;
static inline enum domain_id domain_of_id(uint16_t command_or_event)
{
    return (enum domain_id)(command_or_event >> 8);
}
/* users: base + 1, subreddits: base + 2, ...; behind the last engine the password processes, one after the
 * other. */
uint16_t domain_port(unsigned port_base, enum domain_id domain);

#define DOMAIN_URL_MAX 48
/* "tcp://127.0.0.1:7103" into out[DOMAIN_URL_MAX]. */
void domain_url(unsigned port_base, enum domain_id domain, char *out);
/* Of one of the password processes, numbered from 0. */
void passwords_url(unsigned port_base, unsigned member, char *out);
