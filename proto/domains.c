#include "proto/domains.h"

#include <stdio.h>
#include <string.h>

static const char *const names[DOMAIN_PASSWORDS + 1] = {
    [DOMAIN_ENGINE] = "engine", [DOMAIN_USERS] = "users",         [DOMAIN_SUBREDDITS] = "subreddits",
    [DOMAIN_POSTS] = "posts",   [DOMAIN_COMMENTS] = "comments",   [DOMAIN_DMS] = "dms",
    [DOMAIN_FEED] = "feed",     [DOMAIN_PASSWORDS] = "passwords",
};

const char *domain_name(enum domain_id domain)
{
    return names[domain];
}

bool domain_parse(const char *name, enum domain_id *domain)
{
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *domain = (enum domain_id)i;
            return true;
        }
    }
    return false;
}

uint16_t domain_port(unsigned port_base, enum domain_id domain)
{
    return (uint16_t)(port_base + domain);
}

static void loopback_url(unsigned port, char *out)
{
    snprintf(out, DOMAIN_URL_MAX, "tcp://127.0.0.1:%u", port);
}

void domain_url(unsigned port_base, enum domain_id domain, char *out)
{
    loopback_url(domain_port(port_base, domain), out);
}

void passwords_url(unsigned port_base, unsigned member, char *out)
{
    loopback_url(domain_port(port_base, DOMAIN_PASSWORDS) + member, out);
}
