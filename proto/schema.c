#include "proto/schema.h"

#include <stddef.h>
#include <string.h>

const struct schema_command *schema_command_by_id(uint16_t id)
{
    for (size_t i = 0; i < schema_command_count; i++)
        if (schema_commands[i].id == id)
            return &schema_commands[i];
    return NULL;
}

const struct schema_message *schema_event_by_type(uint32_t type)
{
    for (size_t i = 0; i < schema_event_count; i++)
        if (schema_events[i]->event == type)
            return schema_events[i];
    return NULL;
}

bool schema_has_secrets(const struct schema_message *schema)
{
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++)
        if (schema->fields[i].secret)
            return true;
    return false;
}

/* Those that are not are texts. */
static bool is_printed(const struct schema_field *field)
{
    return !field->secret && !field->derived;
}

bool schema_prints_all(const struct schema_message *schema)
{
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++)
        if (!is_printed(&schema->fields[i]))
            return false;
    return true;
}

void schema_drop_unprinted(const struct schema_message *schema, ProtobufCMessage *message)
{
    static const char *const none = NULL;
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++)
        if (!is_printed(&schema->fields[i]))
            memcpy((char *)message + schema->descriptor->fields[i].offset, &none, sizeof(none));
}

const struct schema_field *schema_field_by_name(const struct schema_message *message, const char *name,
                                                unsigned *index)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        if (strcmp(message->fields[i].name, name) == 0) {
            *index = i;
            return &message->fields[i];
        }
    }
    return NULL;
}
