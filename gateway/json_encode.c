#include "gateway/json_encode.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "proto/ids.h"

#define TEXT_FIRST_CAPACITY 4096
#define U64_DIGITS_MAX      20
#define ESCAPE_MAX_BYTES    6 /* \u001f */

/* Where `more` bytes may be written; text->length is the caller's to advance. */
static inline char *text_room(struct text *text, size_t more)
{
    if (text->capacity - text->length < more) {
        size_t capacity = text->capacity > 0 ? text->capacity : TEXT_FIRST_CAPACITY;
        while (capacity - text->length < more)
            capacity *= 2;
        text->bytes = xrealloc(text->bytes, capacity);
        text->capacity = capacity;
    }
    return text->bytes + text->length;
}

void text_clear(struct text *text)
{
    text->length = 0;
}

static inline void put(struct text *text, const char *bytes, size_t length)
{
    memcpy(text_room(text, length), bytes, length);
    text->length += length;
}

void text_append(struct text *text, const char *bytes, size_t length)
{
    if (length > 0)
        put(text, bytes, length);
}

void text_append_string(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_append_u64(struct text *text, uint64_t value)
{
    char digits[U64_DIGITS_MAX];
    char *first = digits + sizeof(digits);
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(text, first, (size_t)(digits + sizeof(digits) - first));
}

void text_append_i64(struct text *text, int64_t value)
{
    if (value < 0)
        text_append(text, "-", 1);
    text_append_u64(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* What may not stand in a JSON string as it is (RFC 8259, section 7); 'u': \u00XX, else \ and that letter. */
static const char escapes[256] = {
    [0x00] = 'u', 'u', 'u', 'u', 'u',          'u', 'u', 'u', 'b',         't',          'n', 'u',
    'f',          'r', 'u', 'u', [0x10] = 'u', 'u', 'u', 'u', 'u',         'u',          'u', 'u',
    'u',          'u', 'u', 'u', 'u',          'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\'};

static char *append_escaped(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    *out++ = '\\';
    *out++ = escapes[c];
    if (escapes[c] == 'u') {
        *out++ = '0';
        *out++ = '0';
        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
    }
    return out;
}

/*
 * Whether one of eight bytes is below 0x20, '"' or '\\'. A byte below n leaves its top bit set in (w - n) &
 * ~w, and borrows come only from such a byte, so the yes or no is exact (Bit Twiddling Hacks, "Determine if a
 * word has a byte less than n").
 */
static inline bool has_escape(const char *eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t word;
    memcpy(&word, eight, sizeof(word));
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t low = (word - ones * 0x20) & ~word;
    return (low | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & tops;
}

/* The first byte at or behind `at` that needs an escape, or `end`. */
static const char *find_escape(const char *at, const char *end)
{
    while (end - at >= 8 && !has_escape(at))
        at += 8;
    while (at < end && escapes[(unsigned char)*at] == 0)
        at++;
    return at;
}

void text_append_json(struct text *text, const char *string, size_t length)
{
    const char *end = string + length;
    put(text, "\"", 1);
    for (;;) {
        const char *stop = find_escape(string, end);
        put(text, string, (size_t)(stop - string));
        if (stop == end)
            break;
        char *at = text_room(text, ESCAPE_MAX_BYTES);
        text->length += (size_t)(append_escaped(at, (unsigned char)*stop) - at);
        string = stop + 1;
    }
    put(text, "\"", 1);
}

void text_dispose(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

static void append_null(struct text *out)
{
    put(out, "null", 4);
}

static void append_id(struct text *out, enum id_kind kind, uint64_t number)
{
    if (number == 0) { /* no id */
        append_null(out);
        return;
    }
    char *at = text_room(out, ID_TEXT_MAX + 2);
    at[0] = '"';
    size_t length = id_format(kind, number, at + 1);
    at[1 + length] = '"';
    out->length += length + 2;
}

static void append_base64url(struct text *out, const ProtobufCBinaryData *data)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t size = sodium_base64_encoded_len(data->len, variant); /* with the end */
    char *at = text_room(out, size + 2);
    at[0] = '"';
    sodium_bin2base64(at + 1, size, data->data, data->len, variant);
    at[size] = '"';
    out->length += size + 1;
}

static void append_enum(struct text *out, const ProtobufCEnumDescriptor *names, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(names, number);
    if (value == NULL) { /* of a newer engine */
        append_null(out);
        return;
    }
    size_t length = strlen(value->name);
    char *at = text_room(out, length + 2);
    at[0] = '"';
    memcpy(at + 1, value->name, length);
    at[length + 1] = '"';
    out->length += length + 2;
}

static void append_value(struct text *out, const struct schema_field *rule,
                         const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT64:
        if (rule->id != ID_NONE)
            append_id(out, rule->id, *(const uint64_t *)at);
        else
            text_append_u64(out, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        text_append_u64(out, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
        text_append_i64(out, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        text_append_i64(out, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        if (*(const protobuf_c_boolean *)at)
            put(out, "true", 4);
        else
            put(out, "false", 5);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        append_enum(out, field->descriptor, *(const int *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        text_append_json(out, *(const char *const *)at, strlen(*(const char *const *)at));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        append_base64url(out, at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        json_encode(out, rule->message, *(const ProtobufCMessage *const *)at);
        break;
    default: /* no reply has one; schema_test holds that */
        ensure(!"a type that replies may not have");
    }
}

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return sizeof(uint32_t);
    }
}

static void append_list(struct text *out, const struct schema_field *rule,
                        const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    size_t count, size = element_size(field);
    const char *elements;
    memcpy(&count, (const char *)message + field->quantifier_offset, sizeof(count));
    memcpy(&elements, (const char *)message + field->offset, sizeof(elements));
    put(out, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put(out, ",", 1);
        append_value(out, rule, field, elements + i * size);
    }
    put(out, "]", 1);
}

static bool is_present(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const char *at = (const char *)message + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return true;
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(const void *const *)(const void *)at != NULL;
    return *(const protobuf_c_boolean *)(const void *)((const char *)message + field->quantifier_offset);
}

static void append_key(struct text *out, const char *name, bool first)
{
    size_t length = strlen(name);
    char *at = text_room(out, length + 4);
    if (!first)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, name, length);
    at[length] = '"';
    at[length + 1] = ':';
    out->length += length + 3 + !first;
}

static void append_object(struct text *out, const struct schema_message *schema,
                          const ProtobufCMessage *message)
{
    bool first = true;
    put(out, "{", 1);
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++) {
        const struct schema_field *rule = &schema->fields[i];
        const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[i];
        if (rule->header != NULL || rule->internal)
            continue;
        bool present = is_present(field, message);
        if (!present && rule->omit)
            continue;
        append_key(out, rule->name, first);
        first = false;
        if (!present)
            append_null(out);
        else if (field->label == PROTOBUF_C_LABEL_REPEATED)
            append_list(out, rule, field, message);
        else
            append_value(out, rule, field, (const char *)message + field->offset);
    }
    put(out, "}", 1);
}

void json_encode(struct text *out, const struct schema_message *schema, const ProtobufCMessage *message)
{
    if (!schema->list) {
        append_object(out, schema, message);
        return;
    }
    unsigned items;
    const struct schema_field *rule = schema_field_by_name(schema, "items", &items);
    ensure(rule != NULL);
    append_list(out, rule, &schema->descriptor->fields[items], message);
}
