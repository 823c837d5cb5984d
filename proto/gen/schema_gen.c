/*
 * Build step: reads a descriptor set (protoc --descriptor_set_out --include_imports) and writes
 * schema_tables.c and schema_commands.h: the options of options.proto as C tables beside protobuf-c's
 * descriptors. Custom options reach protobuf-c as unknown fields of the standard option messages; they are
 * unpacked here.
 *
 *   schema_gen SET TABLES.c COMMANDS.h
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "proto/options.pb-c.h"

enum { TAG_FIELD = 50001, TAG_MESSAGE = 50002, TAG_COMMAND = 50003 };

#define PACKAGE_PREFIX ".pb."

/* Of one .proto file of ours: those whose package is pb, options.proto excepted. */
typedef Google__Protobuf__FileDescriptorProto File;
typedef Google__Protobuf__DescriptorProto Message;
typedef Google__Protobuf__FieldDescriptorProto Field;

static void die(const char *what, const char *name)
{
    fprintf(stderr, "schema_gen: %s: %s\n", what, name);
    exit(1);
}

/* A custom option: length-delimited unknown field `tag`, its length prefix still in front. NULL: not set. */
static void *option_unpack(const ProtobufCMessage *options, uint32_t tag,
                           const ProtobufCMessageDescriptor *type)
{
    if (options == NULL)
        return NULL;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag != tag || field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        size_t skip = 0;
        while (skip < field->len && (field->data[skip] & 0x80) != 0)
            skip++;
        skip++;
        void *message = protobuf_c_message_unpack(type, NULL, field->len - skip, field->data + skip);
        if (message == NULL)
            die("an option cannot be read", type->name);
        return message;
    }
    return NULL;
}

/* CamelCase -> snake_case, as protobuf-c names its descriptors. */
static void print_snake(FILE *out, const char *camel)
{
    bool was_upper = true;
    for (const char *c = camel; *c != '\0'; c++) {
        bool upper = isupper((unsigned char)*c) != 0;
        if (upper && !was_upper)
            fputc('_', out);
        fputc(tolower((unsigned char)*c), out);
        was_upper = upper;
    }
}

static bool file_is_ours(const File *file)
{
    return file->package != NULL && strcmp(file->package, "pb") == 0 &&
           strstr(file->name, "options.proto") == NULL;
}

static int compare_tags(const void *a, const void *b)
{
    const Field *x = *(Field *const *)a, *y = *(Field *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

static void print_text(FILE *out, const char *text)
{
    if (text == NULL)
        fputs("NULL", out);
    else
        fprintf(out, "\"%s\"", text);
}

static const char *const id_names[] = {"ID_NONE", "ID_USER", "ID_SUB", "ID_POST", "ID_COMMENT", "ID_DM"};
static const char *const pattern_names[] = {"PATTERN_ANY", "PATTERN_USERNAME", "PATTERN_SUBREDDIT_NAME",
                                            "PATTERN_URL"};

static void print_field(FILE *out, const Field *field)
{
    Pb__FieldRule empty = PB__FIELD_RULE__INIT;
    Pb__FieldRule *rule =
        option_unpack(field->options ? &field->options->base : NULL, TAG_FIELD, &pb__field_rule__descriptor);
    const Pb__FieldRule *r = rule != NULL ? rule : &empty;
    fprintf(out,
            "    {.name = \"%s\", .id = %s, .pattern = %s, .min_chars = %u, .max_chars = %u, .min_value = "
            "%u, .max_value = %u,\n",
            field->name, id_names[r->id], pattern_names[r->pattern], r->min, r->max, r->min_value,
            r->max_value);
    fputs("     .header = ", out);
    print_text(out, r->header);
    fputs(", .describe = ", out);
    print_text(out, r->describe);
    fputs(", .message = ", out);
    if (field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE) {
        fputs("&schema_", out);
        print_snake(out, field->type_name + strlen(PACKAGE_PREFIX));
    } else {
        fputs("NULL", out);
    }
    fprintf(out,
            ",\n     .required = %d, .trim = %d, .actor = %d, .refused = %d, .omit = %d, .cursor = %d, "
            ".empty_is_absent = %d, "
            ".internal = %d, .secret = %d, .derived = %d},\n",
            r->required, r->trim, r->actor, r->refused, r->omit, r->cursor, r->empty_is_absent, r->internal,
            r->secret, r->derived);
    if (rule != NULL)
        pb__field_rule__free_unpacked(rule, NULL);
}

static void print_message(FILE *out, const Message *message)
{
    Pb__MessageRule *rule = option_unpack(message->options ? &message->options->base : NULL, TAG_MESSAGE,
                                          &pb__message_rule__descriptor);
    if (message->n_field > 0)
        qsort(message->field, message->n_field, sizeof(message->field[0]), compare_tags);
    if (message->n_field > 0) {
        fputs("static const struct schema_field fields_", out);
        print_snake(out, message->name);
        fputs("[] = {\n", out);
        for (size_t i = 0; i < message->n_field; i++)
            print_field(out, message->field[i]);
        fputs("};\n", out);
    }
    fputs("static const struct schema_message schema_", out);
    print_snake(out, message->name);
    fputs(" = {.descriptor = &pb__", out);
    print_snake(out, message->name);
    fputs("__descriptor, .fields = ", out);
    if (message->n_field > 0) {
        fputs("fields_", out);
        print_snake(out, message->name);
    } else {
        fputs("NULL", out);
    }
    fprintf(out, ", .list = %d, .event = 0x%04x};\n\n", rule != NULL && rule->list,
            rule != NULL ? rule->event : 0);
    if (rule != NULL)
        pb__message_rule__free_unpacked(rule, NULL);
}

/* Calls `print` for each message (service method) of our files. */
static void print_messages(FILE *out, const Google__Protobuf__FileDescriptorSet *set)
{
    for (size_t f = 0; f < set->n_file; f++) {
        if (!file_is_ours(set->file[f]))
            continue;
        for (size_t m = 0; m < set->file[f]->n_message_type; m++) {
            fputs("static const struct schema_message schema_", out);
            print_snake(out, set->file[f]->message_type[m]->name);
            fputs(";\n", out);
        }
    }
    fputs("\n", out);
    for (size_t f = 0; f < set->n_file; f++)
        for (size_t m = 0; file_is_ours(set->file[f]) && m < set->file[f]->n_message_type; m++)
            print_message(out, set->file[f]->message_type[m]);
}

static void print_all(FILE *out, const Google__Protobuf__FileDescriptorSet *set)
{
    unsigned count = 0;
    fputs("const struct schema_message *const schema_messages[] = {\n", out);
    for (size_t f = 0; f < set->n_file; f++) {
        for (size_t m = 0; file_is_ours(set->file[f]) && m < set->file[f]->n_message_type; m++, count++) {
            fputs("    &schema_", out);
            print_snake(out, set->file[f]->message_type[m]->name);
            fputs(",\n", out);
        }
    }
    fprintf(out, "};\nconst size_t schema_message_count = %u;\n\n", count);
}

static void print_events(FILE *out, const Google__Protobuf__FileDescriptorSet *set)
{
    unsigned count = 0;
    fputs("const struct schema_message *const schema_events[] = {\n", out);
    for (size_t f = 0; f < set->n_file; f++) {
        for (size_t m = 0; file_is_ours(set->file[f]) && m < set->file[f]->n_message_type; m++) {
            const Message *message = set->file[f]->message_type[m];
            Pb__MessageRule *rule = option_unpack(message->options ? &message->options->base : NULL,
                                                  TAG_MESSAGE, &pb__message_rule__descriptor);
            if (rule != NULL && rule->event != 0) {
                fputs("    &schema_", out);
                print_snake(out, message->name);
                fputs(",\n", out);
                count++;
            }
            if (rule != NULL)
                pb__message_rule__free_unpacked(rule, NULL);
        }
    }
    fprintf(out, "};\nconst size_t schema_event_count = %u;\n\n", count);
}

static void print_command(FILE *tables, FILE *list, const char *service,
                          const Google__Protobuf__MethodDescriptorProto *method)
{
    static const char *const kinds[] = {"COMMAND_READ", "COMMAND_WRITE", "COMMAND_NOTICE"};
    Pb__CommandRule *rule = option_unpack(method->options ? &method->options->base : NULL, TAG_COMMAND,
                                          &pb__command_rule__descriptor);
    if (rule == NULL || rule->id == 0)
        die("a command has no id", method->name);
    fprintf(tables, "    {.id = 0x%04x, .kind = %s, .name = \"", rule->id, kinds[rule->kind]);
    print_snake(tables, service);
    fputc('_', tables);
    print_snake(tables, method->name);
    fputs("\", .request = &schema_", tables);
    print_snake(tables, method->input_type + strlen(PACKAGE_PREFIX));
    fputs(", .reply = &schema_", tables);
    print_snake(tables, method->output_type + strlen(PACKAGE_PREFIX));
    fputs("},\n", tables);

    fputs(" \\\n    X(", list);
    print_snake(list, service);
    fputc('_', list);
    print_snake(list, method->name);
    fprintf(list, ", 0x%04x)", rule->id);
    pb__command_rule__free_unpacked(rule, NULL);
}

static void print_commands(FILE *tables, FILE *list, const Google__Protobuf__FileDescriptorSet *set)
{
    unsigned count = 0;
    fputs("const struct schema_command schema_commands[] = {\n", tables);
    fputs("/* Generated by proto/gen/schema_gen.c. X(name, id) for each command of a service. */\n#pragma "
          "once\n",
          list);
    for (size_t f = 0; f < set->n_file; f++) {
        for (size_t s = 0; file_is_ours(set->file[f]) && s < set->file[f]->n_service; s++) {
            const Google__Protobuf__ServiceDescriptorProto *service = set->file[f]->service[s];
            fputs("\n#define COMMANDS_OF_", list);
            for (const char *c = service->name; *c != '\0'; c++)
                fputc(toupper((unsigned char)*c), list);
            fputs("(X)", list);
            for (size_t m = 0; m < service->n_method; m++, count++)
                print_command(tables, list, service->name, service->method[m]);
            fputs("\n", list);
        }
    }
    fprintf(tables, "};\nconst size_t schema_command_count = %u;\n", count);

    fputs("\n/* Indexes into schema_commands. */\nenum command_index {\n#define X(name, id) CMD_##name,\n",
          list);
    for (size_t f = 0; f < set->n_file; f++) {
        for (size_t s = 0; file_is_ours(set->file[f]) && s < set->file[f]->n_service; s++) {
            fputs("    COMMANDS_OF_", list);
            for (const char *c = set->file[f]->service[s]->name; *c != '\0'; c++)
                fputc(toupper((unsigned char)*c), list);
            fputs("(X)\n", list);
        }
    }
    fputs("#undef X\n};\n\nenum command_id {\n#define X(name, id) COMMAND_ID_##name = id,\n", list);
    for (size_t f = 0; f < set->n_file; f++) {
        for (size_t s = 0; file_is_ours(set->file[f]) && s < set->file[f]->n_service; s++) {
            fputs("    COMMANDS_OF_", list);
            for (const char *c = set->file[f]->service[s]->name; *c != '\0'; c++)
                fputc(toupper((unsigned char)*c), list);
            fputs("(X)\n", list);
        }
    }
    fputs("#undef X\n};\n", list);
}

static Google__Protobuf__FileDescriptorSet *read_set(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        die("cannot open", path);
    static uint8_t bytes[4 << 20];
    size_t length = fread(bytes, 1, sizeof(bytes), in);
    fclose(in);
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(NULL, length, bytes);
    if (set == NULL)
        die("is not a descriptor set", path);
    return set;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage", "schema_gen SET TABLES.c COMMANDS.h");
    Google__Protobuf__FileDescriptorSet *set = read_set(argv[1]);
    FILE *tables = fopen(argv[2], "w");
    FILE *list = fopen(argv[3], "w");
    if (tables == NULL || list == NULL)
        die("cannot write", tables == NULL ? argv[2] : argv[3]);
    fputs("/* Generated by proto/gen/schema_gen.c. */\n#include <stddef.h>\n\n#include \"proto/schema.h\"\n",
          tables);
    for (size_t f = 0; f < set->n_file; f++)
        if (file_is_ours(set->file[f]))
            fprintf(tables, "#include \"%.*s.pb-c.h\"\n",
                    (int)(strlen(set->file[f]->name) - strlen(".proto")), set->file[f]->name);
    fputs("\n", tables);
    print_messages(tables, set);
    print_all(tables, set);
    print_events(tables, set);
    print_commands(tables, list, set);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    if (fclose(tables) != 0 || fclose(list) != 0)
        die("cannot write", argv[2]);
    return 0;
}
