#include "gateway/request_signed.h"

#include "common/clock.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "gateway/compose.h"
#include "gateway/request_engine.h"
#include "gateway/request_step.h"
#include "proto/users.pb-c.h"

/* Asks the users engine for these users' keys. */
static enum status ask_keys(struct request *request, uint64_t *users, size_t count, uint64_t deadline_ms,
                            engine_reply_fn done)
{
    struct requests *requests = request->requests;
    Pb__UsersKeys ask = PB__USERS_KEYS__INIT;
    ask.n_user_ids = count;
    ask.user_ids = users;
    request_pack(&requests->packed, &ask.base);
    struct engine_request frame = {
        .command = COMMAND_ID_users_keys,
        .actor_name = "",
        .payload = (const uint8_t *)requests->packed.bytes,
        .length = requests->packed.length,
        .deadline_ms = deadline_ms,
        .admitted = request->engine != NULL,
    };
    request_ids_next(requests->services.ids, &frame.id);
    request_mark(request, &frame);
    return engine_client_send(requests->services.engines[DOMAIN_USERS], &frame, done, request);
}

static struct public_key key_of(const Pb__UserKey *item)
{
    return (struct public_key){.algorithm = (enum signature_algorithm)item->key_algorithm,
                               .text = item->public_key};
}

static void learn_keys(struct request *request, const Pb__UserKeys *found)
{
    for (size_t i = 0; i < found->n_items; i++) {
        struct public_key key = key_of(found->items[i]);
        known_keys_learn(request->requests->services.keys, found->items[i]->user_id, &key);
        known_users_learn(request->requests->services.users, found->items[i]->user_id,
                          found->items[i]->username);
    }
}

/* Where the users engine has answered, it knows best: whom it left out has no key. False: nobody knows. */
static bool find_key(struct request *request, const Pb__UserKeys *found, uint64_t user,
                     struct public_key *key)
{
    *key = (struct public_key){0};
    if (found == NULL)
        return known_keys_find(request->requests->services.keys, user, key);
    for (size_t i = 0; i < found->n_items; i++)
        if (found->items[i]->user_id == user)
            *key = key_of(found->items[i]);
    return true;
}

/* `found` NULL: the users engine was not asked, or does not say. */
static void judge_posts(struct request *request, Pb__Post *const *posts, size_t count,
                        const Pb__UserKeys *found)
{
    for (size_t i = 0; i < count; i++) {
        struct public_key key;
        bool known = find_key(request, found, posts[i]->author_id, &key);
        signed_post_judge(request->requests->services.signed_posts, posts[i], known ? &key : NULL);
    }
}

static void on_author_keys(void *arg, const struct engine_reply *reply)
{
    struct request *request = arg;
    request_take_times(request, reply);
    if (request->exchange == NULL) {
        request_release(request);
        return;
    }
    request_step_begin(request);
    const struct schema_message *schema = compose_answer_schema(request->route);
    ProtobufCAllocator *allocator = arena_allocator(request->requests->arena);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(schema->descriptor, allocator, request->held_length, request->held);
    ensure(message != NULL); /* packed here */
    Pb__UserKeys *found = NULL;
    if (reply->status == STATUS_OK)
        found = pb__user_keys__unpack(allocator, reply->length, reply->payload);
    if (found != NULL)
        learn_keys(request, found);
    Pb__Post *one;
    size_t count;
    Pb__Post *const *posts = signed_post_list(schema, message, &one, &count);
    judge_posts(request, posts, count, found);
    request_answer_message(request, schema, message);
}

/* All of them are asked for if one is not known: what is learnt of one may push out what was known of
 * another. */
static bool ask_for_authors(struct request *request, const ProtobufCMessage *message, uint64_t *authors,
                            size_t count)
{
    struct requests *requests = request->requests;
    struct public_key key;
    size_t known = 0;
    while (known < count && known_keys_find(requests->services.keys, authors[known], &key))
        known++;
    if (known == count)
        return false;
    uint64_t deadline_ms = clock_monotonic_ms() + LIMIT_KEYS_WAIT_MS;
    request_pack(&requests->packed, message);
    request_hold(request, requests->packed.bytes, requests->packed.length);
    return ask_keys(request, authors, count,
                    deadline_ms < request->deadline_ms ? deadline_ms : request->deadline_ms,
                    on_author_keys) == STATUS_OK;
}

void request_answer_posts(struct request *request, const struct schema_message *schema,
                          const ProtobufCMessage *message)
{
    uint64_t authors[LIMIT_PAGE];
    Pb__Post *one;
    size_t count;
    Pb__Post *const *posts = signed_post_list(schema, message, &one, &count);
    size_t author_count = signed_post_authors(posts, count, authors, LIMIT_PAGE);
    if (author_count > 0) {
        request->keep = false; /* each read finds out anew what verifies, whoever wrote to the file */
        if (ask_for_authors(request, message, authors, author_count))
            return;
        judge_posts(request, posts, count, NULL);
    }
    request_answer_message(request, schema, message);
}

static void admit_signed(struct request *request, Pb__PostsCreate *post, const struct public_key *key)
{
    struct requests *requests = request->requests;
    enum status status = signed_post_admit(requests->services.signed_posts, post, request->actor, key);
    if (status != STATUS_OK) {
        request_answer_status(request, status, NULL);
        return;
    }
    request_pack(&requests->packed, &post->base);
    request_run_packed(request, &post->base);
}

static void on_actor_key(void *arg, const struct engine_reply *reply)
{
    struct request *request = arg;
    if (!request_reply_usable(request, reply))
        return;
    Pb__UserKeys *found =
        (Pb__UserKeys *)request_unpack(request, CMD_users_keys, reply->payload, reply->length);
    if (found == NULL)
        return;
    if (found->n_items == 0) {
        request_answer_status(request, STATUS_USER_NOT_FOUND, NULL);
        return;
    }
    struct public_key key = key_of(found->items[0]);
    learn_keys(request, found);
    Pb__PostsCreate *post = pb__posts_create__unpack(arena_allocator(request->requests->arena),
                                                     request->held_length, request->held);
    ensure(post != NULL); /* packed here */
    admit_signed(request, post, &key);
}

void request_run_signed(struct request *request, Pb__PostsCreate *post)
{
    struct requests *requests = request->requests;
    struct public_key key;
    if (known_keys_find(requests->services.keys, request->actor, &key)) {
        admit_signed(request, post, &key);
        return;
    }
    request_hold(request, requests->packed.bytes, requests->packed.length);
    enum status status = ask_keys(request, &request->actor, 1, request->deadline_ms, on_actor_key);
    if (status != STATUS_OK)
        request_answer_status(request, status, NULL);
}
