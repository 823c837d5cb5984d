#include "gateway/options.h"

#include "gateway/client_address.h"

const char *const gateway_auth_modes[] = {[AUTH_OPEN] = "open", [AUTH_REQUIRED] = "required", 0};
const char *const gateway_log_levels[] = {"error", "warn", "notice", "info", "debug", 0};
const char *const gateway_login_slowdowns[] = {
    [LOGIN_SLOWDOWN_AUTO] = "auto", [LOGIN_SLOWDOWN_ON] = "on", [LOGIN_SLOWDOWN_OFF] = "off", 0};
const char *const gateway_proxy_headers[] = {
    [PROXY_X_FORWARDED_FOR] = "x-forwarded-for", [PROXY_FORWARDED] = "forwarded", 0};
const char *const gateway_limit_flags[RATE_CLASS_COUNT] = {
#define X(NAME, name) "--limit-" name,
    RATE_CLASSES(X)
#undef X
};
