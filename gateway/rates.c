#include "gateway/rates.h"

#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "gateway/limits_page.h"

struct rates {
    struct limits_page *page;
    struct rate_limits limits[RATE_CLASS_COUNT];
    struct shared_slots tables[RATE_CLASS_COUNT];
    bool slow_logins;
    struct login_guard guard;
    struct trusted_proxies *proxies;
};

/* What holds where no flag says otherwise. Open mode is for one's own machine, where limits would only be in
 * the way. */
static const struct {
    const char *limits[RATE_CLASS_COUNT];
    bool slow_logins;
} defaults[] = {
    [AUTH_OPEN] =
        {.limits = {[RATE_REGISTER] = "off", [RATE_LOGIN] = "off", [RATE_WRITE] = "off", [RATE_READ] = "off"},
         .slow_logins = false},
    [AUTH_REQUIRED] = {.limits = {[RATE_REGISTER] = "20/h,burst=10",
                                  [RATE_LOGIN] = "30/m,burst=20",
                                  [RATE_WRITE] = "2/s,burst=60,address=5",
                                  [RATE_READ] = "20/s,burst=200,address=5"},
                       .slow_logins = true},
};

static void read_limits(const struct gateway_options *options, struct rate_limits *limits)
{
    for (size_t class = 0; class < RATE_CLASS_COUNT; class ++) {
        const char *text = options->limits[class], *reason;
        if (text == NULL)
            text = defaults[options->auth].limits[class];
        if (!rate_limits_parse(text, &limits[class], &reason))
            fatal_exit(EXIT_USAGE, "%s %s is neither \"off\" nor a limit: %s", gateway_limit_flags[class],
                       text, reason);
    }
}

static struct trusted_proxies *read_proxies(const struct gateway_options *options)
{
    const char *wrong;
    size_t length;
    if (options->trusted_proxies == NULL || options->trusted_proxies[0] == '\0')
        return NULL;
    struct trusted_proxies *proxies = trusted_proxies_parse(options->trusted_proxies, &wrong, &length);
    if (proxies == NULL && length == 0)
        fatal_exit(EXIT_USAGE, "--trusted-proxies: more than %d networks", LIMIT_TRUSTED_PROXIES);
    if (proxies == NULL)
        fatal_exit(EXIT_USAGE, "--trusted-proxies: \"%.*s\" is neither an address nor a network", (int)length,
                   wrong);
    return proxies;
}

void rates_check(const struct gateway_options *options)
{
    struct rate_limits limits[RATE_CLASS_COUNT];
    read_limits(options, limits);
    free(read_proxies(options));
}

static bool logins_are_slow(const struct gateway_options *options)
{
    if (options->login_slowdown == LOGIN_SLOWDOWN_AUTO)
        return defaults[options->auth].slow_logins;
    return options->login_slowdown == LOGIN_SLOWDOWN_ON;
}

struct rates *rates_open(const struct gateway_options *options, int fd)
{
    struct rates *rates = xcalloc(1, sizeof(*rates));
    rates->page = limits_page_open(fd);
    read_limits(options, rates->limits);
    for (unsigned class = 0; class < RATE_CLASS_COUNT; class ++)
        rates->tables[class] = limits_page_table(rates->page, class);
    rates->slow_logins = logins_are_slow(options);
    rates->guard.page = rates->page;
    rates->proxies = read_proxies(options);
    return rates;
}

void rates_close(struct rates *rates)
{
    if (rates == NULL)
        return;
    limits_page_close(rates->page);
    free(rates->proxies);
    free(rates);
}

bool rates_limit(const struct rates *rates, enum rate_class class)
{
    return class != RATE_NONE && rates->limits[class].user.interval_ns != 0;
}

static struct rate_verdict take(const struct rates *rates, enum rate_class class,
                                const struct rate_limit *limit, const void *bytes, size_t length,
                                uint64_t now_ns)
{
    uint64_t owner = limits_page_owner(rates->page, bytes, length);
    return rate_take(shared_slots_take(&rates->tables[class], owner, now_ns), limit, now_ns);
}

/* The lengths of both kinds differ, so no user is taken for an address. */
struct rate_verdict rates_take_address(const struct rates *rates, enum rate_class class,
                                       const struct client_address *address, uint64_t now_ns)
{
    if (!rates_limit(rates, class))
        return (struct rate_verdict){.limit = 0};
    struct client_address network = client_address_network(address);
    return take(rates, class, &rates->limits[class].address, network.bytes, sizeof(network.bytes), now_ns);
}

struct rate_verdict rates_take_user(const struct rates *rates, enum rate_class class, uint64_t user,
                                    uint64_t now_ns)
{
    if (!rates_limit(rates, class))
        return (struct rate_verdict){.limit = 0};
    return take(rates, class, &rates->limits[class].user, &user, sizeof(user), now_ns);
}

const struct login_guard *rates_login_guard(const struct rates *rates)
{
    return rates->slow_logins ? &rates->guard : NULL;
}

const struct trusted_proxies *rates_trusted_proxies(const struct rates *rates)
{
    return rates->proxies;
}
