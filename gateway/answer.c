#include "gateway/answer.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "common/fatal.h"
#include "gateway/message_fields.h"

void answer_add(struct http_answer *answer, const char *name, const char *value)
{
    ensure(answer->header_count < HTTP_ANSWER_HEADERS_MAX);
    answer->headers[answer->header_count++] = (struct http_header){.name = name, .value = value};
}

/* The query without its `after`, with a separator behind it where anything is left. */
static const char *query_without_after(struct arena *arena, const char *query)
{
    char *out = arena_alloc(arena, strlen(query) + 2);
    size_t used = 0;
    while (*query != '\0') {
        size_t length = strcspn(query, "&");
        if (length > 0 && strncmp(query, "after=", 6) != 0) {
            memcpy(out + used, query, length);
            used += length;
            out[used++] = '&';
        }
        query += length;
        query += *query == '&';
    }
    out[used] = '\0';
    return out;
}

static const char *link_of(struct arena *arena, const char *target, const ProtobufCBinaryData *cursor)
{
    size_t path_length = strcspn(target, "?");
    const char *query = target[path_length] == '?' ? target + path_length + 1 : "";
    size_t size = sodium_base64_ENCODED_LEN(cursor->len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = arena_alloc(arena, size);
    (void)sodium_bin2base64(text, size, cursor->data, cursor->len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return arena_printf(arena, "<%.*s?%safter=%s>; rel=\"next\"", (int)path_length, target,
                        query_without_after(arena, query), text);
}

static const char *joined(struct arena *arena, char *const *texts, size_t count)
{
    const char *out = texts[0];
    for (size_t i = 1; i < count; i++)
        out = arena_printf(arena, "%s, %s", out, texts[i]);
    return out;
}

/* NULL: absent. */
static const char *header_value(struct arena *arena, const char *target,
                                const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const char *base = (const char *)message;
    const void *member = base + field->offset, *quantifier = base + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)quantifier;
        ensure(field->type == PROTOBUF_C_TYPE_STRING);
        return count > 0 ? joined(arena, *(char *const *const *)member, count) : NULL;
    }
    if (!*(const protobuf_c_boolean *)quantifier)
        return NULL;
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return link_of(arena, target, member);
    ensure(field->type == PROTOBUF_C_TYPE_UINT64);
    return arena_printf(arena, "%" PRIu64, *(const uint64_t *)member);
}

void answer_add_fields(struct http_answer *answer, struct arena *arena, const char *target,
                       const struct schema_message *schema, const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++) {
        if (schema->fields[i].header == NULL)
            continue;
        const char *value = header_value(arena, target, &schema->descriptor->fields[i], message);
        if (value != NULL)
            answer_add(answer, schema->fields[i].header, value);
    }
}

static const char *id_text(struct arena *arena, const struct schema_message *schema,
                           const ProtobufCMessage *message, const struct schema_field *field)
{
    uint64_t number;
    char *text = arena_alloc(arena, ID_TEXT_MAX);
    if (field == NULL || !message_u64(schema, message, field->name, &number))
        return "";
    (void)id_format(field->id, number, text);
    return text;
}

void answer_add_location(struct http_answer *answer, struct arena *arena, const struct route *route,
                         const struct schema_message *schema, const ProtobufCMessage *message)
{
    const char *at = route->location, *out = "";
    if (at == NULL)
        return;
    if (strchr(at, ':') == NULL) {
        out = arena_printf(arena, "%s%s", at, id_text(arena, schema, message, message_first_id(schema)));
        answer_add(answer, "Location", out);
        return;
    }
    while (*at != '\0') {
        size_t literal = strcspn(at, ":"), name = strcspn(at + literal, "/");
        unsigned index;
        const char *field = arena_strndup(arena, at + literal + (name > 0), name > 0 ? name - 1 : 0);
        out = arena_printf(arena, "%s%.*s%s", out, (int)literal, at,
                           id_text(arena, schema, message, schema_field_by_name(schema, field, &index)));
        at += literal + name;
    }
    answer_add(answer, "Location", out);
}

/* RFC 9110, 13.1.2: weak comparison, so a W/ in front does not matter; "*" stands for anything. */
static bool names_tag(const char *list, const char *tag)
{
    size_t length = strlen(tag);
    while (*list != '\0') {
        list += strspn(list, ", \t");
        if (*list == '*')
            return true;
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        if (strncmp(list, tag, length) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

const char *answer_etag(const struct http_answer *answer, struct arena *arena)
{
    XXH64_hash_t hash = XXH3_64bits(answer->body, answer->body_length);
    return arena_printf(arena, "\"%016" PRIx64 "\"", (uint64_t)hash);
}

bool answer_etag_is_named(const char *etag, const char *if_none_match)
{
    return if_none_match != NULL && names_tag(if_none_match, etag);
}

static bool origin_listed(const char *origins, const char *origin)
{
    size_t length = strlen(origin);
    while (*origins != '\0') {
        origins += strspn(origins, ", ");
        size_t item = strcspn(origins, ", ");
        if ((item == 1 && *origins == '*') || (item == length && strncmp(origins, origin, length) == 0))
            return true;
        origins += item;
    }
    return false;
}

void answer_add_cors(struct http_answer *answer, const char *origins, const char *origin, const char *allow)
{
    if (origins == NULL || *origins == '\0')
        return;
    answer_add(answer, "Vary", "Origin");
    if (origin == NULL || !origin_listed(origins, origin))
        return;
    answer_add(answer, "Access-Control-Allow-Origin", origin);
    if (allow != NULL) {
        answer_add(answer, "Access-Control-Allow-Methods", allow);
        answer_add(answer, "Access-Control-Allow-Headers",
                   "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id");
        answer_add(answer, "Access-Control-Max-Age", "600");
    } else {
        answer_add(answer, "Access-Control-Expose-Headers",
                   "ETag, Idempotent-Replayed, Link, Location, RateLimit-Limit, RateLimit-Remaining, "
                   "RateLimit-Reset, Retry-After, X-Feed-Stale, X-Request-Id, X-Total-Count");
    }
}
