#include "engined/context.h"

#include <string.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "engined/engine_state.h"

void context_emit(struct context *context, const ProtobufCMessage *event)
{
    struct engine *engine = context->engine;
    const struct schema_message *schema = NULL;
    for (size_t i = 0; i < schema_event_count && schema == NULL; i++)
        if (schema_events[i]->descriptor == event->descriptor)
            schema = schema_events[i];
    ensure(schema != NULL);
    const struct event_row *row = engine->events[schema->event & 0xff];
    ensure(row != NULL && domain_of_id((uint16_t)schema->event) == engine->domain->id);

    size_t length = protobuf_c_message_get_packed_size(event);
    uint8_t *payload = arena_alloc_raw(engine->arena, length);
    protobuf_c_message_pack(event, payload);
    event_log_append(engine->log, schema->event, engine->wall_ms, payload, length);
    row->apply(engine->state, engine->arena, event);
    if (row->touch != NULL)
        row->touch(engine->state, event, engine->versions);
    else
        versions_touch_all(engine->versions);
    engine->emitted++;
}

void touch_nothing(void *state, const ProtobufCMessage *event, struct versions *versions)
{
    (void)state, (void)event, (void)versions;
}

enum lookup_result context_lookup(struct context *context, unsigned lookup, uint64_t id, const char **name)
{
    struct engine *engine = context->engine;
    enum lookup_result result = lookups_get(engine->lookups, lookup, id, engine->arena, name);
    if (result == LOOKUP_PENDING) {
        engine->wait = WAIT_LOOKUP;
        engine->wait_lookup = lookup;
        engine->wait_id = id;
    }
    return result;
}

enum barrier_result context_barrier(struct context *context, bool *stale)
{
    struct engine *engine = context->engine;
    const struct parked *parked = engine->deciding;
    struct barrier begun;
    const struct barrier *barrier = &begun;
    if (parked != NULL && parked->barrier_deadline_ms != 0)
        barrier = &parked->barrier;
    else
        followers_barrier_begin(engine->followers, &begun);
    bool late = barrier != &begun && engine->now.monotonic_ms >= parked->barrier_deadline_ms;
    if (!late && !followers_barrier_reached(engine->followers, barrier)) {
        engine->wait = WAIT_BARRIER;
        return BARRIER_PENDING;
    }
    followers_stale(engine->followers, barrier, stale);
    return BARRIER_READY;
}

enum password_result context_password(struct context *context, const struct password_check *check,
                                      bool *matches, const char **new_hash)
{
    struct engine *engine = context->engine;
    const struct parked *parked = engine->deciding;
    const struct password_job *job = parked != NULL ? parked->password : NULL;
    if (job != NULL && password_job_is_of(job, check->hash)) {
        if (password_job_done(job, matches, new_hash))
            return PASSWORD_READY;
    } else if (job == NULL && !password_jobs_have_room(engine->passwords)) {
        return PASSWORD_REFUSED;
    }
    engine->wait = WAIT_PASSWORD;
    pb__passwords_check__init(&engine->wait_check);
    engine->wait_check.password = arena_strdup(engine->arena, check->password);
    engine->wait_check.hash = arena_strdup(engine->arena, check->hash);
    engine->wait_check.new_password = arena_strdup(engine->arena, check->new_password);
    return PASSWORD_PENDING;
}

bool context_is_admin(struct context *context, const char *proof)
{
    const struct engine_options *options = &context->engine->options;
    struct token token;
    return proof != NULL && options->open != NULL &&
           options->open(options->sign_arg, proof, context->engine->now.wall_ms, &token) &&
           token.user_id == 0 && strcmp(token.name, ADMIN_NAME) == 0 &&
           token.expires_ms - token.issued_ms <= LIMIT_ADMIN_PROOF_MS;
}

char *context_token(struct context *context, struct token *token)
{
    const struct engine_options *options = &context->engine->options;
    char text[TOKEN_TEXT_MAX];
    if (options->sign == NULL || !options->sign(options->sign_arg, token, text))
        return NULL;
    return arena_strdup(context->arena, text);
}
