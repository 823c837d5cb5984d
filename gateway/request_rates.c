#include "gateway/request_rates.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "gateway/answer.h"
#include "gateway/message_fields.h"
#include "gateway/rates.h"
#include "gateway/request_state.h"

#define NS_IN_S      1000000000u
#define MS_IN_S      1000u
#define ACCOUNT_MAX  64  /* bytes of an account's name that tell it from others, beyond what names may have */
#define ACTOR_PREFIX "#" /* of an account by number: no name has it */

static const struct rates *rates_of(const struct request *request)
{
    return request->requests->services.rates;
}

static uint64_t rounded_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit;
}

const struct client_address *request_client(struct request *request)
{
    const struct request_services *services = &request->requests->services;
    const struct trusted_proxies *proxies = rates_trusted_proxies(services->rates);
    enum proxy_header header = (enum proxy_header)services->options->proxy_header;
    const char *lines[LIMIT_FORWARDED_LINES];
    if (request->client_known)
        return &request->client;
    request->client = client_address_of(http_exchange_peer(request->exchange));
    if (proxies != NULL && trusted_proxies_have(proxies, &request->client)) {
        size_t count =
            http_exchange_header_lines(request->exchange, proxy_header_name(header), lines, ARRAY_LEN(lines));
        request->client = client_address_find(proxies, header, lines, count, &request->client);
    }
    request->client_known = true;
    return &request->client;
}

static bool admit(struct request *request, enum rate_class class, const struct rate_verdict *verdict)
{
    static const enum metric metrics[RATE_CLASS_COUNT] = {
#define X(NAME, name) [RATE_##NAME] = METRIC_LIMITED_##NAME,
        RATE_CLASSES(X)
#undef X
    };
    request->rate = *rate_stricter(&request->rate, verdict);
    if (!verdict->refused)
        return true;
    metrics_add(request->requests->services.metrics, metrics[class], 1);
    request->retry_after_s = rounded_up(verdict->wait_ns, NS_IN_S);
    request_answer_status(request, STATUS_RATE_LIMITED, NULL);
    return false;
}

bool request_admit_address(struct request *request)
{
    enum rate_class class = route_rate_class(request->route);
    if (!rates_limit(rates_of(request), class))
        return true;
    struct rate_verdict verdict =
        rates_take_address(rates_of(request), class, request_client(request), request->arrival_us * 1000);
    return admit(request, class, &verdict);
}

static bool admit_user(struct request *request)
{
    enum rate_class class = route_rate_class(request->route);
    if (request->actor == 0 || !rates_limit(rates_of(request), class))
        return true;
    struct rate_verdict verdict =
        rates_take_user(rates_of(request), class, request->actor, request->arrival_us * 1000);
    return admit(request, class, &verdict);
}

/* Whose password the request is to show. */
static void account_of(const struct request *request, const ProtobufCMessage *message,
                       char account[static ACCOUNT_MAX])
{
    const struct route *route = request->route;
    const char *name = "";
    if (route->guard == GUARD_ACTOR) {
        snprintf(account, ACCOUNT_MAX, ACTOR_PREFIX "%" PRIu64, request->actor);
        return;
    }
    (void)!message_text(schema_commands[route->command].request, message, "username", &name);
    size_t length = strnlen(name, ACCOUNT_MAX - 1);
    for (size_t i = 0; i < length; i++)
        account[i] = (char)tolower((unsigned char)name[i]);
    account[length] = '\0';
}

static bool admit_login(struct request *request, const ProtobufCMessage *message)
{
    const struct login_guard *guard = rates_login_guard(rates_of(request));
    char account[ACCOUNT_MAX];
    if (guard == NULL || request->route->guard == GUARD_NONE)
        return true;
    account_of(request, message, account);
    uint64_t wait_ms = login_guard_begin(guard, &request->login, request_client(request), account,
                                         request->arrival_us / 1000);
    if (wait_ms == 0) {
        request->guarded = true;
        return true;
    }
    metrics_add(request->requests->services.metrics, METRIC_LOGINS_SLOWED, 1);
    request->retry_after_s = rounded_up(wait_ms, MS_IN_S);
    request_answer_status(request, STATUS_TOO_MANY_FAILURES, NULL);
    return false;
}

bool request_admit_actor(struct request *request, const ProtobufCMessage *message)
{
    return admit_user(request) && admit_login(request, message);
}

void request_rates_finish(struct request *request, unsigned http_status)
{
    const struct login_guard *guard = rates_login_guard(rates_of(request));
    if (!request->guarded || http_status == 401 || http_status == 403)
        return; /* a wrong password is what it was taken for */
    if (http_status == request->route->success)
        login_guard_succeeded(guard, &request->login, request->arrival_us / 1000);
    else
        login_guard_undecided(guard, &request->login);
}

void request_add_rate_fields(struct request *request, struct http_answer *answer)
{
    struct arena *arena = request->requests->arena;
    const struct rate_verdict *rate = &request->rate;
    if (rate->limit == 0)
        return;
    answer_add(answer, "RateLimit-Limit", arena_printf(arena, "%" PRIu32, rate->limit));
    answer_add(answer, "RateLimit-Remaining", arena_printf(arena, "%" PRIu32, rate->remaining));
    /* Of a refused request the same point in time as Retry-After (the draft's section 5.3). */
    uint64_t reset_s =
        request->retry_after_s != 0 ? request->retry_after_s : rounded_up(rate->full_ns, NS_IN_S);
    answer_add(answer, "RateLimit-Reset", arena_printf(arena, "%" PRIu64, reset_s));
}

const char *request_retry_after(struct request *request)
{
    return request->retry_after_s == 0
               ? NULL
               : arena_printf(request->requests->arena, "%" PRIu64, request->retry_after_s);
}
