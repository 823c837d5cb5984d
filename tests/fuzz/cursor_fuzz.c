/*
 * Cursors: a client can write what it likes into `after`. Whole engines with a few rows get each list command
 * with any bytes for a cursor: the answer is a page or "invalid cursor", and the engine lives on. Input: a
 * byte that chooses the list; a byte for its sort; a byte, 0 for a cursor's protobuf as it is, else one that
 * is put together from the following bytes field by field, so that strange values are found soon.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "engined/cursor.h"
#include "proto/comments.pb-c.h"
#include "proto/dms.pb-c.h"
#include "proto/posts.pb-c.h"
#include "proto/schema_commands.h"
#include "proto/subreddits.pb-c.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/harness.h"

#define ROWS           5
#define RUNS_PER_WORLD 2000 /* replies gather in the harness */
#define PATH_STEPS_MAX 60
#define SORTS          6 /* the most that a list has */

static const struct {
    enum command_index command;
    const struct domain *domain;
} lists[] = {
    {CMD_posts_of_subreddit, &posts_domain},   {CMD_posts_of_user, &posts_domain},
    {CMD_comments_of_post, &comments_domain},  {CMD_comments_of_user, &comments_domain},
    {CMD_subreddits_list, &subreddits_domain}, {CMD_dms_of_user, &dms_domain},
    {CMD_dms_conversation, &dms_domain},       {CMD_feed_get, &feed_domain},
};

static struct harness *worlds[ARRAY_LEN(lists)];
static unsigned runs;

static void run(struct harness *world, uint16_t command, const ProtobufCMessage *request)
{
    ProtobufCMessage *reply;
    ensure(harness_run(world, 1, "ann", command, request, &reply) == STATUS_OK);
}

static void fill_posts(struct harness *world)
{
    Pb__PostsCreate post = PB__POSTS_CREATE__INIT;
    post.has_subreddit_id = true;
    post.subreddit_id = 1;
    post.title = "t";
    harness_know(world, 0, 1, "cats");
    for (int i = 0; i < ROWS; i++)
        run(world, COMMAND_ID_posts_create, &post.base);
}

static void fill_comments(struct harness *world)
{
    Pb__CommentsCreate comment = PB__COMMENTS_CREATE__INIT;
    comment.has_post_id = true;
    comment.post_id = 1;
    comment.content = "c";
    harness_know(world, 0, 1, NULL);
    for (uint64_t i = 0; i < ROWS; i++) {
        comment.has_parent_id = i % 2 != 0;
        comment.parent_id = i;
        run(world, COMMAND_ID_comments_create, &comment.base);
    }
}

static void fill_subreddits(struct harness *world)
{
    Pb__SubredditsCreate subreddit = PB__SUBREDDITS_CREATE__INIT;
    char name[] = "cats0";
    subreddit.name = name;
    for (int i = 0; i < ROWS; i++) {
        name[4] = (char)('0' + i);
        run(world, COMMAND_ID_subreddits_create, &subreddit.base);
    }
}

static void fill_dms(struct harness *world)
{
    Pb__DmsSend message = PB__DMS_SEND__INIT;
    message.has_to_user_id = true;
    message.to_user_id = 2;
    message.content = "m";
    harness_know(world, 0, 2, "bob");
    for (int i = 0; i < ROWS; i++)
        run(world, COMMAND_ID_dms_send, &message.base);
}

static void fill_feed(struct harness *world)
{
    Pb__MemberJoined joined = PB__MEMBER_JOINED__INIT;
    Pb__PostCreated post = PB__POST_CREATED__INIT;
    joined.has_user_id = joined.has_subreddit_id = true;
    joined.user_id = joined.subreddit_id = 1;
    harness_feed_event(world, DOMAIN_SUBREDDITS, &joined.base);
    post.has_post_id = post.has_subreddit_id = post.has_created_at = true;
    post.subreddit_id = 1;
    post.created_at = harness_now_ms(world);
    post.title = "t";
    for (post.post_id = 1; post.post_id <= ROWS; post.post_id++)
        harness_feed_event(world, DOMAIN_POSTS, &post.base);
}

static struct harness *make_world(const struct domain *domain)
{
    struct harness *world = harness_open(domain);
    if (domain == &posts_domain)
        fill_posts(world);
    if (domain == &comments_domain)
        fill_comments(world);
    if (domain == &subreddits_domain)
        fill_subreddits(world);
    if (domain == &dms_domain)
        fill_dms(world);
    if (domain == &feed_domain)
        fill_feed(world);
    return world;
}

static double strange_rank(struct fuzz_input *input)
{
    static const double ranks[] = {0.0,      -0.0,      1.0,     -1.0,     NAN,     -NAN,
                                   INFINITY, -INFINITY, DBL_MAX, -DBL_MAX, DBL_MIN, DBL_TRUE_MIN};
    uint8_t choice = fuzz_byte(input);
    return choice < 128 ? ranks[choice % ARRAY_LEN(ranks)] : (choice - 190) * 1.5;
}

static uint64_t strange_number(struct fuzz_input *input)
{
    static const uint64_t numbers[] = {
        0, 1, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX, 1700000000000ull};
    uint8_t choice = fuzz_byte(input);
    return choice < 128 ? numbers[choice % ARRAY_LEN(numbers)] : choice - 128u;
}

/* Of the ways in which lists number their orders. */
static uint32_t some_order(uint8_t choice, uint32_t command, uint32_t sort)
{
    const uint32_t orders[] = {1 + sort, command << 8 | sort, command, sort};
    return orders[choice % ARRAY_LEN(orders)];
}

static ProtobufCBinaryData made_cursor(struct fuzz_input *input, uint16_t command, uint32_t sort,
                                       struct arena *arena)
{
    Pb__Cursor cursor = PB__CURSOR__INIT;
    uint8_t has = fuzz_byte(input);
    cursor.has_order = 1;
    cursor.order = some_order(fuzz_byte(input), command, sort);
    cursor.has_rank = has & 1;
    cursor.rank = strange_rank(input);
    cursor.has_id = (has & 2) != 0;
    cursor.id = strange_number(input);
    cursor.has_asof_ms = (has & 4) != 0;
    cursor.asof_ms = strange_number(input);
    cursor.has_window = (has & 8) != 0;
    cursor.window = (uint32_t)strange_number(input);
    cursor.has_created_ms = (has & 16) != 0;
    cursor.created_ms = strange_number(input);
    cursor.n_path = has & 64 ? fuzz_byte(input) % PATH_STEPS_MAX : 0;
    cursor.path = arena_alloc(arena, sizeof(cursor.path[0]) * (cursor.n_path + 1));
    for (size_t i = 0; i < cursor.n_path; i++) {
        cursor.path[i] = arena_alloc(arena, sizeof(*cursor.path[i]));
        pb__cursor_step__init(cursor.path[i]);
        cursor.path[i]->has_rank = cursor.path[i]->has_id = 1;
        cursor.path[i]->rank = strange_rank(input);
        cursor.path[i]->id = strange_number(input);
    }
    if (has & 32)
        cursor.text = arena_strndup(arena, (const char *)input->at, input->left);
    return cursor_pack(&cursor, arena);
}

/* All ids are 1, so that the lists have something in them; enums are the input's. */
static ProtobufCMessage *make_request(const struct schema_message *schema, uint8_t sort,
                                      ProtobufCBinaryData after, struct arena *arena)
{
    ProtobufCMessage *request = arena_alloc(arena, schema->descriptor->sizeof_message);
    protobuf_c_message_init(schema->descriptor, request);
    for (unsigned i = 0; i < schema->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[i];
        char *at = (char *)request + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        if (schema->fields[i].cursor)
            *(ProtobufCBinaryData *)(void *)at = after;
        else if (schema->fields[i].id != ID_NONE)
            *(uint64_t *)(void *)at = strcmp(field->name, "b") == 0 ? 2 : 1;
        else if (field->type == PROTOBUF_C_TYPE_ENUM)
            *(int *)(void *)at = sort % (int)((const ProtobufCEnumDescriptor *)field->descriptor)->n_values;
        else
            continue;
        if (strcmp(field->name, "parent_id") != 0)
            *(protobuf_c_boolean *)(void *)((char *)request + field->quantifier_offset) = 1;
    }
    return request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    ProtobufCMessage *reply;
    if (arena == NULL)
        arena = arena_new();
    arena_reset(arena);
    size_t list = fuzz_byte(&input) % ARRAY_LEN(lists);
    uint8_t sort = fuzz_byte(&input) % SORTS;
    for (size_t i = 0; runs >= RUNS_PER_WORLD && i < ARRAY_LEN(lists); i++) {
        if (worlds[i] != NULL)
            harness_close(worlds[i]);
        worlds[i] = NULL;
    }
    runs = runs >= RUNS_PER_WORLD ? 0 : runs + 1;
    if (worlds[list] == NULL)
        worlds[list] = make_world(lists[list].domain);
    ProtobufCBinaryData after = {input.left > 0 ? input.left - 1 : 0, (uint8_t *)input.at + 1};
    const struct schema_command *command = &schema_commands[lists[list].command];
    if (fuzz_byte(&input) != 0)
        after = made_cursor(&input, command->id, sort, arena);
    enum status status = harness_run(worlds[list], 1, "ann", command->id,
                                     make_request(command->request, sort, after, arena), &reply);
    ensure(status == STATUS_OK || status_row(status)->http == 400);
    return 0;
}
