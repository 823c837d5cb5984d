#include "gateway/json_writer.h"

#include <string.h>

static void begin(struct json_writer *writer, const char *key)
{
    if (writer->comma)
        text_append(writer->out, ",", 1);
    writer->comma = true;
    if (key == NULL)
        return;
    text_append_json(writer->out, key, strlen(key));
    text_append(writer->out, ":", 1);
}

void json_open(struct json_writer *writer, const char *key, char bracket)
{
    begin(writer, key);
    text_append(writer->out, &bracket, 1);
    writer->comma = false;
}

void json_close(struct json_writer *writer, char bracket)
{
    text_append(writer->out, &bracket, 1);
    writer->comma = true;
}

void json_string(struct json_writer *writer, const char *key, const char *value)
{
    begin(writer, key);
    text_append_json(writer->out, value, strlen(value));
}

void json_number(struct json_writer *writer, const char *key, uint64_t value)
{
    begin(writer, key);
    text_append_u64(writer->out, value);
}

void json_bool(struct json_writer *writer, const char *key, bool value)
{
    json_raw(writer, key, value ? "true" : "false");
}

void json_null(struct json_writer *writer, const char *key)
{
    json_raw(writer, key, "null");
}

void json_raw(struct json_writer *writer, const char *key, const char *json)
{
    begin(writer, key);
    text_append_string(writer->out, json);
}
