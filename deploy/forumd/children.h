/* The processes of a forumd: which there are, and with which flags. */
#pragma once

#include "common/attributes.h"
#include "common/supervise.h"
#include "deploy/forumd/launcher_options.h"

/* Adds the six engines and the password processes, then the gateway, which is stopped first. Returns the
 * gateway. */
struct child *children_add(struct supervisor *supervisor, const struct launcher_options *options) MUST_USE;
