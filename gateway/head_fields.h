/*
 * What the parts of a request head mean for framing: method, and the fields that say where the body ends or
 * that must not be there twice (RFC 9112, sections 3.2, 6 and 7; RFC 9110, section 10.1.1). Pure; used by
 * head_checker.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/status.h"

#define HEAD_FIELD_NAME_MAX  32  /* longer names are none of ours */
#define HEAD_FIELD_VALUE_MAX 300 /* of fields that are looked at: a host name of 253, brackets, a port */

struct head_refusal {
    enum status status;
    const char *detail; /* static */
};

enum head_field {
    HEAD_FIELD_HOST,
    HEAD_FIELD_CONTENT_LENGTH,
    HEAD_FIELD_TRANSFER_ENCODING,
    HEAD_FIELD_EXPECT,
    HEAD_FIELD_AUTHORIZATION,
    HEAD_FIELD_CONTENT_TYPE,
    HEAD_FIELD_IDEMPOTENCY_KEY,
    HEAD_FIELD_COUNT,
    HEAD_FIELD_OTHER = HEAD_FIELD_COUNT,
};

/* Of one request, gathered while its head is read. Zero-initialise. */
struct head_facts {
    bool http_1_0;
    bool may_have_body;   /* the method */
    bool may_be_asterisk; /* the target, with this method */
    bool seen[HEAD_FIELD_COUNT];
    uint64_t content_length;
};

/* False: no method that HTTP servers know. CONNECT is none of ours either. */
bool head_method_find(const char *name, size_t length, struct head_facts *facts) MUST_USE;
/* `name` in lower case. */
enum head_field head_field_find(const char *name, size_t length);
/* Whether the value is looked at; else it may be as long as the head. */
bool head_field_has_rule(enum head_field field);
/* Whether it says where the body ends. */
bool head_field_frames(enum head_field field);
/* One field, white space around its value taken off. `value` is looked at only where head_field_has_rule. */
bool head_field_take(struct head_facts *facts, enum head_field field, const char *value, size_t length,
                     struct head_refusal *refusal) MUST_USE;
/* At the end of the head: do the fields and the method go together? */
bool head_facts_check(const struct head_facts *facts, struct head_refusal *refusal) MUST_USE;

/* uri-host [":" port], the port 0 to 65535 (RFC 3986, 3.2.2; no user, nothing percent-encoded). */
bool head_host_is_valid(const char *host, size_t length) MUST_USE;
