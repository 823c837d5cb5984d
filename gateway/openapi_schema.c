#include "gateway/openapi_schema.h"

#include <stdio.h>
#include <string.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "gateway/json_decode.h"
#include "proto/ids.h"

#define PATTERN_MAX   128
#define REFERENCE_MAX 96

/* The rules of proto/rules.c as regular expressions (ECMA 262); without anchors. */
static const char *const patterns[] = {
    [PATTERN_ANY] = NULL,
    [PATTERN_USERNAME] = "[A-Za-z0-9_-]+",
    [PATTERN_SUBREDDIT_NAME] = "[A-Za-z0-9][A-Za-z0-9_]*",
    [PATTERN_URL] = "https?://[^/\\u0000-\\u0020\\u007f][^\\u0000-\\u0020\\u007f]*",
};

static void write_pattern(struct json_writer *writer, const char *inner, bool may_be_empty)
{
    char pattern[PATTERN_MAX];
    int length = snprintf(pattern, sizeof(pattern), may_be_empty ? "^(%s)?$" : "^%s$", inner);
    ensure(length > 0 && length < (int)sizeof(pattern));
    json_string(writer, "pattern", pattern);
}

static void write_id_pattern(struct json_writer *writer, enum id_kind kind, bool may_be_empty)
{
    char inner[PATTERN_MAX];
    snprintf(inner, sizeof(inner), "%s_[1-9][0-9]{0,18}", id_kind_prefix(kind));
    write_pattern(writer, inner, may_be_empty);
}

static void write_type(struct json_writer *writer, const char *type, bool nullable)
{
    if (!nullable) {
        json_string(writer, "type", type);
        return;
    }
    json_open(writer, "type", '[');
    json_string(writer, NULL, type);
    json_string(writer, NULL, "null");
    json_close(writer, ']');
}

static void write_enum(struct json_writer *writer, const ProtobufCEnumDescriptor *names, bool nullable)
{
    json_open(writer, "enum", '[');
    for (unsigned i = 0; i < names->n_values; i++)
        json_string(writer, NULL, names->values[i].name);
    if (nullable)
        json_null(writer, NULL);
    json_close(writer, ']');
}

static const char *type_of(const ProtobufCFieldDescriptor *field, const struct schema_field *rule)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return "boolean";
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
        return "string";
    default:
        return rule->id != ID_NONE ? "string" : "integer";
    }
}

static bool is_unsigned(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_UINT64;
}

static bool is_time(const char *name)
{
    size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, "_at") == 0;
}

/* Requests */

static void write_text_rules(struct json_writer *writer, const struct schema_field *rule)
{
    bool may_be_empty = rule->empty_is_absent;
    if (rule->id != ID_NONE)
        write_id_pattern(writer, rule->id, may_be_empty);
    if (patterns[rule->pattern] != NULL)
        write_pattern(writer, patterns[rule->pattern], may_be_empty);
    if (rule->cursor)
        json_string(writer, "pattern", "^[A-Za-z0-9_-]*$");
    if (rule->min_chars > 0 && !may_be_empty)
        json_number(writer, "minLength", rule->min_chars);
    /* White space that is trimmed is not counted. */
    if (rule->max_chars > 0 && !rule->trim)
        json_number(writer, "maxLength", rule->max_chars);
}

static void write_number_rules(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                               const struct schema_field *rule)
{
    if (is_unsigned(field))
        json_number(writer, "minimum", rule->min_value);
    if (rule->max_value > 0)
        json_number(writer, "maximum", rule->max_value);
}

static void write_default(struct json_writer *writer, const ProtobufCFieldDescriptor *field)
{
    if (field->default_value == NULL)
        return;
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        int number;
        memcpy(&number, field->default_value, sizeof(number));
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(field->descriptor, number);
        json_string(writer, "default", value->name);
    } else if (field->type == PROTOBUF_C_TYPE_UINT32) {
        uint32_t number;
        memcpy(&number, field->default_value, sizeof(number));
        json_number(writer, "default", number);
    }
}

static void write_description(struct json_writer *writer, const struct schema_field *rule)
{
    char description[256];
    if (rule->trim)
        snprintf(description, sizeof(description),
                 "white space at both ends is taken off first; then %u to %u characters", rule->min_chars,
                 rule->max_chars);
    else
        snprintf(description, sizeof(description), "%s",
                 rule->describe ? rule->describe
                 : rule->actor  ? "the acting user"
                 : rule->cursor ? "where the last page ended, from its Link"
                                : "");
    if (description[0] != '\0')
        json_string(writer, "description", description);
}

void openapi_request_field(struct json_writer *writer, const char *key, const struct schema_message *message,
                           unsigned index, bool in_body)
{
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];
    const struct schema_field *rule = &message->fields[index];
    bool nullable = in_body && !rule->required;
    json_open(writer, key, '{');
    if (rule->refused) {
        json_string(writer, "type", "null");
        json_string(writer, "description", "not supported yet");
        json_close(writer, '}');
        return;
    }
    write_type(writer, type_of(field, rule), nullable);
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        write_enum(writer, field->descriptor, nullable);
    if (strcmp(type_of(field, rule), "integer") == 0)
        write_number_rules(writer, field, rule);
    else
        write_text_rules(writer, rule);
    if (rule->secret) {
        json_string(writer, "format", "password");
        json_bool(writer, "writeOnly", true);
    }
    write_default(writer, field);
    write_description(writer, rule);
    json_close(writer, '}');
}

/* Replies */

bool openapi_field_is_shown(const struct schema_field *field)
{
    return field->header == NULL && !field->internal;
}

static const struct schema_field *items_of(const struct schema_message *list)
{
    unsigned index;
    const struct schema_field *items = schema_field_by_name(list, "items", &index);
    ensure(items != NULL && items->message != NULL);
    return items;
}

void openapi_reply(struct json_writer *writer, const char *key, const struct schema_message *message)
{
    char reference[REFERENCE_MAX];
    json_open(writer, key, '{');
    if (message->list) {
        json_string(writer, "type", "array");
        openapi_reply(writer, "items", items_of(message)->message);
    } else {
        snprintf(reference, sizeof(reference), "#/components/schemas/%s", message->descriptor->short_name);
        json_string(writer, "$ref", reference);
    }
    json_close(writer, '}');
}

static void write_scalar(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                         const struct schema_field *rule, bool nullable)
{
    write_type(writer, type_of(field, rule), nullable);
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        write_enum(writer, field->descriptor, nullable);
    else if (rule->id != ID_NONE)
        write_id_pattern(writer, rule->id, false);
    else if (is_unsigned(field))
        json_number(writer, "minimum", 0);
    if (is_time(rule->name))
        json_string(writer, "description", "ms since 1970");
}

/* A field that is left out when there is nothing to show is never null; nor is the id that a thing begins
 * with. */
static void write_reply_field(struct json_writer *writer, const struct schema_message *message,
                              unsigned index)
{
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];
    const struct schema_field *rule = &message->fields[index];
    bool is_own_id = index == 0 && rule->id != ID_NONE;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED) {
        openapi_reply(writer, rule->name, rule->message);
        return;
    }
    json_open(writer, rule->name, '{');
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        write_scalar(writer, field, rule, !rule->omit && !is_own_id);
    } else {
        json_string(writer, "type", "array");
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            openapi_reply(writer, "items", rule->message);
        } else {
            json_open(writer, "items", '{');
            write_scalar(writer, field, rule, false);
            json_close(writer, '}');
        }
    }
    json_close(writer, '}');
}

static void write_component(struct json_writer *writer, const struct schema_message *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    json_open(writer, descriptor->short_name, '{');
    json_string(writer, "type", "object");
    json_open(writer, "required", '[');
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (openapi_field_is_shown(&message->fields[i]) && !message->fields[i].omit)
            json_string(writer, NULL, message->fields[i].name);
    json_close(writer, ']');
    json_open(writer, "properties", '{');
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (openapi_field_is_shown(&message->fields[i]))
            write_reply_field(writer, message, i);
    json_close(writer, '}');
    json_close(writer, '}');
}

void openapi_reply_components(struct json_writer *writer, struct openapi_seen *seen,
                              const struct schema_message *message)
{
    for (unsigned i = 0; i < seen->count; i++)
        if (seen->messages[i] == message)
            return;
    ensure(seen->count < OPENAPI_COMPONENTS_MAX);
    seen->messages[seen->count++] = message;
    if (!message->list)
        write_component(writer, message);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        if (message->fields[i].message != NULL && openapi_field_is_shown(&message->fields[i]))
            openapi_reply_components(writer, seen, message->fields[i].message);
}
