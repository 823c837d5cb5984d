#include "gateway/options.h"

const char *const gateway_auth_modes[] = {[AUTH_OPEN] = "open", [AUTH_REQUIRED] = "required", 0};
const char *const gateway_log_levels[] = {"error", "warn", "notice", "info", "debug", 0};
