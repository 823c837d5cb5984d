/*
 * Who is acting, and whether they may. No token can be valid yet: in open mode the actor is whom the request
 * names.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/json_decode.h"
#include "gateway/options.h"
#include "gateway/routes.h"
#include "proto/status.h"

/* Before anything of the request is looked into. `authorization` is that header's value or NULL. STATUS_OK,
 * or a 401. */
enum status auth_admit(enum auth_mode mode, const struct route *route, const char *authorization,
                       const struct text_param *params, size_t param_count) MUST_USE;

/* Who acts (0: nobody) by the decoded request. STATUS_OK, or STATUS_FORBIDDEN. */
enum status auth_actor(const struct route *route, const ProtobufCMessage *message, uint64_t *actor) MUST_USE;
