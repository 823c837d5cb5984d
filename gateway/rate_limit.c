#include "gateway/rate_limit.h"

#include <ctype.h>
#include <string.h>

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60ull * 1000000000},
    {"h", 3600ull * 1000000000},
    {"d", 24 * 3600ull * 1000000000},
};

/* A number of 1 to RATE_COUNT_MAX, only digits; moves *text behind it. */
static bool take_number(const char **text, uint64_t *number)
{
    uint64_t value = 0;
    const char *at = *text;
    while (isdigit((unsigned char)*at) && value <= RATE_COUNT_MAX)
        value = value * 10 + (uint64_t)(*at++ - '0');
    if (value < 1 || value > RATE_COUNT_MAX || isdigit((unsigned char)*at))
        return false;
    *text = at;
    *number = value;
    return true;
}

static bool take_word(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool take_period(const char **text, uint64_t *ns)
{
    uint64_t number = 1;
    if (isdigit((unsigned char)**text) && !take_number(text, &number))
        return false;
    size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strlen(units[i].name) != length || strncmp(*text, units[i].name, length) != 0)
            continue;
        *text += length;
        *ns = number * units[i].ns; /* at most 10^6 days: below 2^64 ns */
        return *ns <= RATE_PERIOD_MAX;
    }
    return false;
}

struct rate_text {
    uint64_t count, period_ns, burst, address;
};

/* NULL, or what is wrong. */
static const char *read_text(const char *text, struct rate_text *read)
{
    if (!take_number(&text, &read->count) || *text++ != '/')
        return "it begins with COUNT/, a number of 1 to 1000000";
    if (!take_period(&text, &read->period_ns))
        return "COUNT/ is followed by a period of 1ms to 1d, as in 10/1s or 3/h";
    read->burst = read->count;
    read->address = 1;
    if (take_word(&text, ",burst=") && !take_number(&text, &read->burst))
        return "burst is a number of 1 to 1000000";
    if (take_word(&text, ",address=") && !take_number(&text, &read->address))
        return "address is a number of 1 to 1000000";
    return *text == '\0' ? NULL : "it may go on only with ,burst=N and then ,address=N";
}

static const char *set_limits(const struct rate_text *read, struct rate_limits *limits)
{
    uint64_t interval_ns = read->period_ns / read->count;
    if (interval_ns < read->address)
        return "more than one request a nanosecond is no limit";
    if (read->burst > RATE_HORIZON_MAX / interval_ns)
        return "the burst would take more than 7 days to come back";
    if (read->burst * read->address > RATE_COUNT_MAX)
        return "burst times address is over 1000000";
    limits->user = (struct rate_limit){.interval_ns = interval_ns, .burst = (uint32_t)read->burst};
    limits->address = (struct rate_limit){.interval_ns = interval_ns / read->address,
                                          .burst = (uint32_t)(read->burst * read->address)};
    return NULL;
}

bool rate_limits_parse(const char *text, struct rate_limits *limits, const char **reason)
{
    struct rate_text read;
    *limits = (struct rate_limits){.user = {.burst = 0}};
    if (strcmp(text, "off") == 0)
        return true;
    *reason = read_text(text, &read);
    if (*reason == NULL)
        *reason = set_limits(&read, limits);
    return *reason == NULL;
}

struct rate_verdict rate_take(_Atomic uint64_t *state, const struct rate_limit *limit, uint64_t now_ns)
{
    uint64_t horizon_ns = limit->burst * limit->interval_ns;
    uint64_t before_ns = atomic_load_explicit(state, memory_order_relaxed), ahead_ns;
    do {
        ahead_ns = (before_ns > now_ns ? before_ns - now_ns : 0) + limit->interval_ns;
        if (ahead_ns > horizon_ns)
            return (struct rate_verdict){.refused = true,
                                         .limit = limit->burst,
                                         .wait_ns = ahead_ns - horizon_ns,
                                         .full_ns = ahead_ns - limit->interval_ns};
    } while (!atomic_compare_exchange_weak_explicit(state, &before_ns, now_ns + ahead_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return (struct rate_verdict){.limit = limit->burst,
                                 .remaining = (uint32_t)((horizon_ns - ahead_ns) / limit->interval_ns),
                                 .full_ns = ahead_ns};
}

const struct rate_verdict *rate_stricter(const struct rate_verdict *a, const struct rate_verdict *b)
{
    if (a->limit == 0 || b->limit == 0)
        return a->limit == 0 ? b : a;
    if (a->refused != b->refused)
        return a->refused ? a : b;
    return b->remaining < a->remaining ? b : a;
}
