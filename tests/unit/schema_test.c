/* The schema's tables against protobuf-c's descriptors and against each other; the framing around the
 * messages. */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "proto/domains.h"
#include "proto/frame.h"
#include "proto/ids.h"
#include "proto/rules.h"
#include "proto/schema.h"
#include "proto/schema_commands.h"

#define FILL_DEPTH_MAX 3 /* of messages in messages: comments hold comments */
#define FILL_REPEATED  3

/* A message with every field filled, each with another value, in the arena. */
static ProtobufCMessage *fill(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                              unsigned depth, uint64_t *salt);

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return 4;
    }
}

static void fill_one(struct arena *arena, const ProtobufCFieldDescriptor *field, void *at, unsigned depth,
                     uint64_t *salt)
{
    uint64_t number = ++*salt * UINT64_C(0x9e3779b97f4a7c15);
    const ProtobufCEnumDescriptor *names = field->descriptor;
    double real = (double)*salt / 3;
    protobuf_c_boolean yes = 1;
    char *text;
    ProtobufCMessage *inside;
    ProtobufCBinaryData data;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        memcpy(at, &yes, sizeof(yes));
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(at, &real, sizeof(real));
        break;
    case PROTOBUF_C_TYPE_ENUM:
        memcpy(at, &names->values[names->n_values - 1].value, sizeof(int));
        break;
    case PROTOBUF_C_TYPE_STRING:
        text = arena_printf(arena, "t\u00e9xt %" PRIu64, number);
        memcpy(at, &text, sizeof(text));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        data = (ProtobufCBinaryData){.len = 8, .data = arena_copy(arena, &number, 8)};
        memcpy(at, &data, sizeof(data));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        inside = fill(arena, field->descriptor, depth + 1, salt);
        memcpy(at, &inside, sizeof(inside));
        break;
    default:
        memcpy(at, &number, size_of(field->type));
    }
}

static ProtobufCMessage *fill(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                              unsigned depth, uint64_t *salt)
{
    ProtobufCMessage *message = arena_alloc(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char *at = (char *)message + field->offset;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth == FILL_DEPTH_MAX)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = FILL_REPEATED;
            char *elements = arena_alloc(arena, count * size_of(field->type));
            for (size_t n = 0; n < count; n++)
                fill_one(arena, field, elements + n * size_of(field->type), depth, salt);
            memcpy(at, &elements, sizeof(elements));
            memcpy((char *)message + field->quantifier_offset, &count, sizeof(count));
            continue;
        }
        fill_one(arena, field, at, depth, salt);
        protobuf_c_boolean yes = 1;
        if (field->quantifier_offset != 0)
            memcpy((char *)message + field->quantifier_offset, &yes, sizeof(yes));
    }
    return message;
}

static void expect_round_trip(const struct schema_message *message)
{
    struct arena *arena = arena_new();
    uint64_t salt = message->descriptor->sizeof_message;
    ProtobufCMessage *filled = fill(arena, message->descriptor, 0, &salt);
    size_t length = protobuf_c_message_get_packed_size(filled);
    uint8_t *packed = arena_alloc(arena, length), *again = arena_alloc(arena, length);
    cr_assert_eq(protobuf_c_message_pack(filled, packed), length);
    ProtobufCMessage *unpacked =
        protobuf_c_message_unpack(message->descriptor, arena_allocator(arena), length, packed);
    cr_assert_not_null(unpacked, "%s cannot be unpacked", message->descriptor->name);
    cr_expect_eq(unpacked->n_unknown_fields, 0);
    cr_assert_eq(protobuf_c_message_get_packed_size(unpacked), length);
    cr_assert_eq(protobuf_c_message_pack(unpacked, again), length);
    cr_expect(length == 0 || memcmp(packed, again, length) == 0, "%s comes back changed",
              message->descriptor->name);
    if (message->descriptor->n_fields > 0)
        cr_expect_gt(length, 0);
    arena_free(arena);
}

Test(schema, every_command_and_its_reply_come_back_from_the_wire_whole)
{
    cr_assert_gt(schema_command_count, 30);
    for (size_t i = 0; i < schema_command_count; i++) {
        expect_round_trip(schema_commands[i].request);
        expect_round_trip(schema_commands[i].reply);
    }
}

Test(schema, every_event_comes_back_from_the_log_whole)
{
    cr_assert_gt(schema_event_count, 5);
    for (size_t i = 0; i < schema_event_count; i++)
        expect_round_trip(schema_events[i]);
}

Test(schema, command_ids_are_unique_and_belong_to_their_service)
{
    for (size_t i = 0; i < schema_command_count; i++) {
        const struct schema_command *command = &schema_commands[i];
        enum domain_id domain = domain_of_id(command->id);
        cr_assert_leq(domain, DOMAIN_PASSWORDS, "%s", command->name);
        const char *service = domain == DOMAIN_ENGINE ? "engine" : domain_name(domain);
        size_t length = strlen(service);
        cr_expect(strncmp(command->name, service, length) == 0 && command->name[length] == '_',
                  "%s has an id of %s", command->name, service);
        cr_expect_eq(schema_command_by_id(command->id), command, "the id of %s is there twice",
                     command->name);
    }
    cr_expect_null(schema_command_by_id(0xffff));
}

Test(schema, the_generated_indexes_lead_to_their_commands)
{
    static const struct {
        enum command_index index;
        uint16_t id;
        const char *name;
    } rows[] = {
#define X(name, id) {CMD_##name, id, #name},
        COMMANDS_OF_ENGINE(X) COMMANDS_OF_PASSWORDS(X) COMMANDS_OF_USERS(X) COMMANDS_OF_SUBREDDITS(X)
            COMMANDS_OF_POSTS(X) COMMANDS_OF_COMMENTS(X) COMMANDS_OF_DMS(X) COMMANDS_OF_FEED(X)
#undef X
    };
    cr_assert_eq(ARRAY_LEN(rows), schema_command_count);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_expect_eq(schema_commands[rows[i].index].id, rows[i].id);
        cr_expect_str_eq(schema_commands[rows[i].index].name, rows[i].name);
    }
}

Test(schema, event_types_are_unique_and_belong_to_a_domain_with_commands_that_write)
{
    for (size_t i = 0; i < schema_event_count; i++) {
        uint32_t type = schema_events[i]->event;
        cr_expect_eq(schema_event_by_type(type), schema_events[i], "event %#x is there twice", type);
        bool written = false;
        for (size_t j = 0; j < schema_command_count; j++)
            written = written || (schema_commands[j].kind == COMMAND_WRITE &&
                                  domain_of_id(schema_commands[j].id) == domain_of_id((uint16_t)type));
        cr_expect(written, "event %#x", type);
    }
    cr_expect_null(schema_event_by_type(0));
    cr_expect_null(schema_event_by_type(0xffff));
}

/* Calls `check` for each field of each message that a command or event has, nested ones too. */
static void each_field(const struct schema_message *message, unsigned depth,
                       void (*check)(const struct schema_message *message, unsigned index))
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        check(message, i);
        if (message->fields[i].message != NULL && depth < FILL_DEPTH_MAX)
            each_field(message->fields[i].message, depth + 1, check);
    }
}

static void every_field(void (*check)(const struct schema_message *message, unsigned index))
{
    for (size_t i = 0; i < schema_command_count; i++) {
        each_field(schema_commands[i].request, 0, check);
        each_field(schema_commands[i].reply, 0, check);
    }
    for (size_t i = 0; i < schema_event_count; i++)
        each_field(schema_events[i], 0, check);
}

static void rule_fits_field(const struct schema_message *message, unsigned index)
{
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];
    const struct schema_field *rule = &message->fields[index];
    const char *where = message->descriptor->short_name;
    unsigned found = UINT32_MAX;
    bool is_text = field->type == PROTOBUF_C_TYPE_STRING;
    bool is_number = field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_UINT64;
    cr_expect_str_eq(rule->name, field->name, "%s: the tables do not stand beside each other", where);
    cr_expect_eq(schema_field_by_name(message, rule->name, &found), rule);
    cr_expect_eq(found, index);
    cr_expect(rule->id == ID_NONE || field->type == PROTOBUF_C_TYPE_UINT64, "%s.%s: an id is a uint64", where,
              rule->name);
    cr_expect(!rule->cursor || field->type == PROTOBUF_C_TYPE_BYTES, "%s.%s: a cursor is bytes", where,
              rule->name);
    cr_expect((rule->message != NULL) == (field->type == PROTOBUF_C_TYPE_MESSAGE), "%s.%s", where,
              rule->name);
    cr_expect(rule->message == NULL || rule->message->descriptor == field->descriptor, "%s.%s", where,
              rule->name);
    cr_expect(is_text || (rule->max_chars == 0 && rule->min_chars == 0 && !rule->trim), "%s.%s", where,
              rule->name);
    cr_expect(is_text || rule->pattern == PATTERN_ANY, "%s.%s", where, rule->name);
    cr_expect(is_number || (rule->max_value == 0 && rule->min_value == 0), "%s.%s", where, rule->name);
    cr_expect(rule->max_chars == 0 || rule->min_chars <= rule->max_chars, "%s.%s", where, rule->name);
    cr_expect(rule->max_value == 0 || rule->min_value <= rule->max_value, "%s.%s", where, rule->name);
    cr_expect_not(rule->required && (rule->refused || rule->empty_is_absent), "%s.%s", where, rule->name);
    cr_expect(is_text || !rule->secret, "%s.%s: secrets are texts", where, rule->name);
    cr_expect_not(rule->actor && rule->id != ID_USER, "%s.%s: users act", where, rule->name);
}

Test(schema, every_rule_fits_the_type_of_its_field)
{
    every_field(rule_fits_field);
}

static void is_named_like_an_id(const struct schema_message *message, unsigned index)
{
    const struct schema_field *rule = &message->fields[index];
    if (rule->id == ID_NONE || rule->internal)
        return;
    static const char *const words[ID_KINDS] = {[ID_USER] = "user",
                                                [ID_SUB] = "subreddit",
                                                [ID_POST] = "post",
                                                [ID_COMMENT] = "comment",
                                                [ID_DM] = "message"};
    const struct {
        const char *field;
        enum id_kind kind;
    } roles[] = {{"author_id", ID_USER}, {"creator_id", ID_USER}, {"parent_id", ID_COMMENT}, {"a", ID_USER},
                 {"b", ID_USER},         {"up_to", ID_DM},        {"reply_to_id", ID_DM}};
    bool fits = strstr(rule->name, words[rule->id]) != NULL;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        fits = fits || (strcmp(rule->name, roles[i].field) == 0 && rule->id == roles[i].kind);
    cr_expect(fits, "%s.%s is an id of another kind", message->descriptor->short_name, rule->name);
}

Test(schema, ids_are_of_the_kind_that_their_names_say)
{
    every_field(is_named_like_an_id);
}

static void has_a_list_of_items(const struct schema_message *message, unsigned index)
{
    unsigned at;
    const struct schema_message *inside = message->fields[index].message;
    if (inside == NULL || !inside->list)
        return;
    cr_expect_not_null(schema_field_by_name(inside, "items", &at), "%s", inside->descriptor->short_name);
}

Test(schema, every_list_has_its_items)
{
    every_field(has_a_list_of_items);
    for (size_t i = 0; i < schema_command_count; i++) {
        unsigned at;
        const struct schema_message *reply = schema_commands[i].reply;
        if (!reply->list)
            continue;
        const struct schema_field *items = schema_field_by_name(reply, "items", &at);
        cr_assert_not_null(items, "%s", schema_commands[i].name);
        cr_expect_eq(reply->descriptor->fields[at].label, PROTOBUF_C_LABEL_REPEATED);
    }
}

/* Framing */

static const struct mac_key key = {.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9}};

static void make_requests(struct batch *batch, unsigned count)
{
    batch_begin(batch, BATCH_REQUEST, 4711, 42);
    for (unsigned i = 0; i < count; i++) {
        struct request_frame frame = {
            .command = (uint16_t)(0x0301 + i),
            .flags = REQUEST_RETRY,
            .id = {.bytes = {(uint8_t)i, 0xff}},
            .actor = UINT64_C(0x0102030405060708) + i,
            .deadline_ms = 1000 + i,
            .length = i * 7,
        };
        memset(frame.actor_name, 'n', i < ACTOR_NAME_MAX ? i : ACTOR_NAME_MAX);
        memset(batch_add_request(batch, &frame), (int)i, frame.length);
    }
    batch_seal(batch, &key);
}

static void make_replies(struct batch *batch, unsigned count)
{
    batch_begin(batch, BATCH_REPLY, 4711, 42);
    for (unsigned i = 0; i < count; i++) {
        struct reply_frame frame = {
            .status = (uint16_t)i, .flags = REPLY_REPLAYED, .id = {.bytes = {(uint8_t)i}}, .length = i * 5};
        memset(batch_add_reply(batch, &frame), (int)i, frame.length);
    }
    batch_seal(batch, &key);
}

Test(frame, requests_come_back_as_they_were_sent)
{
    struct batch batch = {0};
    struct batch_reader reader;
    struct request_frame frame;
    for (unsigned count = 0; count <= 22; count += 11) {
        make_requests(&batch, count);
        cr_assert_eq(batch_open(&reader, BATCH_REQUEST, batch.bytes, batch.length, &key), BATCH_FINE);
        cr_expect(reader.sender == 4711 && reader.serial == 42 && reader.count == count);
        for (unsigned i = 0; i < count; i++) {
            cr_assert(batch_next_request(&reader, &frame));
            cr_expect(frame.command == 0x0301 + i && frame.flags == REQUEST_RETRY && frame.id.bytes[0] == i &&
                      frame.id.bytes[1] == 0xff);
            cr_expect(frame.actor == UINT64_C(0x0102030405060708) + i && frame.deadline_ms == 1000 + i);
            cr_expect_eq(strlen(frame.actor_name), i < ACTOR_NAME_MAX ? i : ACTOR_NAME_MAX);
            cr_assert_eq(frame.length, i * 7);
            for (unsigned n = 0; n < frame.length; n++)
                cr_assert_eq(frame.payload[n], i);
        }
        cr_expect_not(batch_next_request(&reader, &frame));
    }
    batch_dispose(&batch);
}

Test(frame, replies_come_back_as_they_were_sent)
{
    struct batch batch = {0};
    struct batch_reader reader;
    struct reply_frame frame;
    make_replies(&batch, 9);
    cr_assert_eq(batch_open(&reader, BATCH_REPLY, batch.bytes, batch.length, &key), BATCH_FINE);
    for (unsigned i = 0; i < 9; i++) {
        cr_assert(batch_next_reply(&reader, &frame));
        cr_expect(frame.status == i && frame.flags == REPLY_REPLAYED && frame.id.bytes[0] == i);
        cr_assert_eq(frame.length, i * 5);
        for (unsigned n = 0; n < frame.length; n++)
            cr_assert_eq(frame.payload[n], i);
    }
    cr_expect_not(batch_next_reply(&reader, &frame));
    batch_dispose(&batch);
}

/* A copy of just that length, so that AddressSanitizer sees a read beyond it. */
static enum batch_fault open_copy(enum batch_kind kind, const uint8_t *bytes, size_t length)
{
    struct batch_reader reader;
    uint8_t *copy = xmalloc(length > 0 ? length : 1);
    memcpy(copy, bytes, length);
    enum batch_fault fault = batch_open(&reader, kind, copy, length, &key);
    free(copy);
    return fault;
}

/* The MAC of the batch as it stands, so that only its structure is wrong. */
static void seal_as_it_is(uint8_t *bytes, size_t length)
{
    static const uint8_t none[16];
    crypto_generichash_state state;
    crypto_generichash_init(&state, key.bytes, MAC_KEY_BYTES, 16);
    crypto_generichash_update(&state, bytes, 32);
    crypto_generichash_update(&state, none, 16);
    crypto_generichash_update(&state, bytes + BATCH_HEADER_BYTES, length - BATCH_HEADER_BYTES);
    crypto_generichash_final(&state, bytes + 32, 16);
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void expect_cuts_refused(enum batch_kind kind, const struct batch *batch)
{
    cr_assert_eq(open_copy(kind, batch->bytes, batch->length), BATCH_FINE);
    for (size_t length = 0; length < batch->length; length++) {
        cr_expect_neq(open_copy(kind, batch->bytes, length), BATCH_FINE, "cut at %zu", length);
        if (length < BATCH_HEADER_BYTES)
            continue;
        /* With a MAC and a length that fit the cut: the frames alone give it away. */
        uint8_t *copy = xmalloc(length);
        memcpy(copy, batch->bytes, length);
        put32(copy + 12, (uint32_t)(length - BATCH_HEADER_BYTES));
        seal_as_it_is(copy, length);
        cr_expect_eq(open_copy(kind, copy, length), BATCH_MALFORMED, "cut at %zu, sealed", length);
        free(copy);
    }
}

Test(frame, every_cut_of_a_batch_is_refused)
{
    struct batch batch = {0};
    make_requests(&batch, 4);
    expect_cuts_refused(BATCH_REQUEST, &batch);
    make_replies(&batch, 4);
    expect_cuts_refused(BATCH_REPLY, &batch);
    batch_dispose(&batch);
}

Test(frame, a_batch_with_bytes_behind_it_is_refused)
{
    struct batch batch = {0};
    make_requests(&batch, 2);
    size_t length = batch.length + 1;
    uint8_t *longer = xmalloc(length);
    memcpy(longer, batch.bytes, batch.length);
    longer[batch.length] = 0;
    cr_expect_neq(open_copy(BATCH_REQUEST, longer, length), BATCH_FINE);
    put32(longer + 12, (uint32_t)(length - BATCH_HEADER_BYTES));
    seal_as_it_is(longer, length);
    cr_expect_eq(open_copy(BATCH_REQUEST, longer, length), BATCH_MALFORMED);
    free(longer);
    batch_dispose(&batch);
}

Test(frame, every_flipped_bit_is_refused)
{
    struct batch batch = {0};
    make_requests(&batch, 2);
    for (size_t bit = 0; bit < batch.length * 8; bit++) {
        batch.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum batch_fault fault = open_copy(BATCH_REQUEST, batch.bytes, batch.length);
        cr_expect_eq(fault, bit < 32 ? BATCH_MALFORMED : BATCH_WRONG_MAC, "bit %zu", bit);
        batch.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    batch_dispose(&batch);
}

Test(frame, another_key_kind_version_or_count_is_refused)
{
    struct batch batch = {0};
    struct batch_reader reader;
    const struct mac_key other = {.bytes = {1}};
    make_requests(&batch, 2);
    cr_expect_eq(batch_open(&reader, BATCH_REQUEST, batch.bytes, batch.length, &other), BATCH_WRONG_MAC);
    cr_expect_eq(batch_open(&reader, BATCH_REPLY, batch.bytes, batch.length, &key), BATCH_MALFORMED);
    batch.bytes[4]++;
    seal_as_it_is(batch.bytes, batch.length);
    cr_expect_eq(open_copy(BATCH_REQUEST, batch.bytes, batch.length), BATCH_WRONG_VERSION);
    batch.bytes[4]--;
    for (uint32_t count = 0; count < 5; count++) {
        put32(batch.bytes + 8, count);
        seal_as_it_is(batch.bytes, batch.length);
        cr_expect_eq(open_copy(BATCH_REQUEST, batch.bytes, batch.length),
                     count == 2 ? BATCH_FINE : BATCH_MALFORMED);
    }
    batch_dispose(&batch);
}

Test(frame, a_frame_that_claims_more_than_there_is_is_refused)
{
    static const uint32_t lengths[] = {1, 8, 0x7fffffff, 0x80000000, 0xffffffb8, 0xffffffff};
    struct batch batch = {0};
    make_requests(&batch, 1); /* its payload is empty */
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        put32(batch.bytes + BATCH_HEADER_BYTES, lengths[i]);
        seal_as_it_is(batch.bytes, batch.length);
        cr_expect_eq(open_copy(BATCH_REQUEST, batch.bytes, batch.length), BATCH_MALFORMED);
    }
    put32(batch.bytes + BATCH_HEADER_BYTES, 0);
    batch.bytes[BATCH_HEADER_BYTES + 40] = ACTOR_NAME_MAX + 1; /* the name's length */
    seal_as_it_is(batch.bytes, batch.length);
    cr_expect_eq(open_copy(BATCH_REQUEST, batch.bytes, batch.length), BATCH_MALFORMED);
    batch_dispose(&batch);
}

/* Ids and patterns */

Test(ids, what_is_formatted_is_parsed_for_every_kind)
{
    static const uint64_t numbers[] = {1, 9, 10, 4294967296, 999999999999999999, INT64_MAX};
    char text[ID_TEXT_MAX];
    for (int kind = ID_USER; kind < ID_KINDS; kind++) {
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
            uint64_t number = 0;
            size_t length = id_format((enum id_kind)kind, numbers[i], text);
            cr_assert_eq(length, strlen(text));
            cr_assert(id_parse((enum id_kind)kind, text, length, &number), "%s", text);
            cr_expect_eq(number, numbers[i]);
            for (int other = ID_USER; other < ID_KINDS; other++)
                if (other != kind)
                    cr_expect_not(id_parse((enum id_kind)other, text, length, &number), "%s", text);
        }
    }
}

Test(ids, anything_else_is_refused)
{
    static const char *const texts[] = {"",
                                        "post",
                                        "post_",
                                        "post_0",
                                        "post_00",
                                        "post_01",
                                        "post_x",
                                        "post_1x",
                                        "post_ 1",
                                        "post_+1",
                                        "post_-1",
                                        "POST_1",
                                        "post1",
                                        "1",
                                        "xpost_1",
                                        "post__1",
                                        "post_1_",
                                        "post_9223372036854775808",
                                        "post_18446744073709551617",
                                        "post_10000000000000000000"};
    uint64_t number;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        cr_expect_not(id_parse(ID_POST, texts[i], strlen(texts[i]), &number), "%s", texts[i]);
    cr_expect_not(id_parse(ID_POST, "post_1\0", 7, &number));
}

Test(rules, patterns_take_what_they_say)
{
    static const struct {
        enum text_pattern pattern;
        const char *text;
        bool matches;
    } rows[] = {
        {PATTERN_USERNAME, "aZ0_-", true},      {PATTERN_USERNAME, "a.b", false},
        {PATTERN_USERNAME, "a b", false},       {PATTERN_USERNAME, "\u00e9", false},
        {PATTERN_SUBREDDIT_NAME, "a_0", true},  {PATTERN_SUBREDDIT_NAME, "_a", false},
        {PATTERN_SUBREDDIT_NAME, "a-b", false}, {PATTERN_URL, "http://a", true},
        {PATTERN_URL, "https://a/?b#c", true},  {PATTERN_URL, "https://\u00e9.example/", true},
        {PATTERN_URL, "http://", false},        {PATTERN_URL, "https://", false},
        {PATTERN_URL, "http:///a", false},      {PATTERN_URL, "ftp://a", false},
        {PATTERN_URL, "http://a b", false},     {PATTERN_URL, "http://a\n", false},
        {PATTERN_URL, "http://a\x7f", false},   {PATTERN_URL, "javascript:x", false},
        {PATTERN_ANY, "\x01 anything", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_expect_eq(rules_pattern_matches(rows[i].pattern, rows[i].text, strlen(rows[i].text)),
                     rows[i].matches, "%s", rows[i].text);
        cr_expect_gt(strlen(rules_pattern_words(rows[i].pattern)), 0);
    }
}
