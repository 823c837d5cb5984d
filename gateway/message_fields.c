#include "gateway/message_fields.h"

#include <stddef.h>

#include "common/fatal.h"

bool message_u64(const struct schema_message *schema, const ProtobufCMessage *message, const char *name,
                 uint64_t *value)
{
    unsigned index;
    if (schema_field_by_name(schema, name, &index) == NULL)
        return false;
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    const char *base = (const char *)message;
    if (field->type != PROTOBUF_C_TYPE_UINT64 || field->label != PROTOBUF_C_LABEL_OPTIONAL ||
        !*(const protobuf_c_boolean *)(const void *)(base + field->quantifier_offset))
        return false;
    *value = *(const uint64_t *)(const void *)(base + field->offset);
    return true;
}

bool message_u64s(const struct schema_message *schema, const ProtobufCMessage *message, const char *name,
                  const uint64_t **values, size_t *count)
{
    unsigned index;
    if (schema_field_by_name(schema, name, &index) == NULL)
        return false;
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    const char *base = (const char *)message;
    const void *member = base + field->offset, *quantifier = base + field->quantifier_offset;
    if (field->type != PROTOBUF_C_TYPE_UINT64)
        return false;
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    *count = repeated ? *(const size_t *)quantifier : (size_t) * (const protobuf_c_boolean *)quantifier;
    *values = repeated ? *(const uint64_t *const *)member : member;
    return repeated || *count == 1;
}

bool message_text(const struct schema_message *schema, const ProtobufCMessage *message, const char *name,
                  const char **value)
{
    unsigned index;
    if (schema_field_by_name(schema, name, &index) == NULL)
        return false;
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    const char *base = (const char *)message;
    if (field->type != PROTOBUF_C_TYPE_STRING || field->label != PROTOBUF_C_LABEL_OPTIONAL)
        return false;
    const char *text = *(const char *const *)(const void *)(base + field->offset);
    if (text == NULL || text == field->default_value)
        return false;
    *value = text;
    return true;
}

void message_set_u64(const struct schema_message *schema, ProtobufCMessage *message, const char *name,
                     uint64_t value)
{
    unsigned index;
    if (schema_field_by_name(schema, name, &index) == NULL)
        return;
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    char *base = (char *)message;
    ensure(field->type == PROTOBUF_C_TYPE_UINT64 && field->label == PROTOBUF_C_LABEL_OPTIONAL);
    *(protobuf_c_boolean *)(void *)(base + field->quantifier_offset) = 1;
    *(uint64_t *)(void *)(base + field->offset) = value;
}

const struct schema_field *message_actor_field(const struct schema_message *schema)
{
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++)
        if (schema->fields[i].actor)
            return &schema->fields[i];
    return NULL;
}

const struct schema_field *message_first_id(const struct schema_message *schema)
{
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++)
        if (schema->fields[i].id != ID_NONE)
            return &schema->fields[i];
    return NULL;
}
