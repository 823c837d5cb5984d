#include "gateway/request_step.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/log.h"

void request_step_begin(struct request *request)
{
    arena_reset(request->requests->arena);
}

void request_pack(struct text *out, const ProtobufCMessage *message)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    if (out->capacity < length) {
        out->bytes = xrealloc(out->bytes, length);
        out->capacity = length;
    }
    out->length = protobuf_c_message_pack(message, (uint8_t *)out->bytes);
}

void request_hold(struct request *request, const void *bytes, size_t length)
{
    if (request->held_capacity < length) {
        free(request->held);
        request->held = xmalloc(length);
        request->held_capacity = length;
    }
    if (length > 0)
        memcpy(request->held, bytes, length);
    request->held_length = length;
}

void request_send(struct request *request, enum command_index command, const struct request_id *id,
                  const void *payload, size_t length, engine_reply_fn done)
{
    const struct schema_command *row = &schema_commands[command];
    enum domain_id domain = domain_of_id(row->id);
    struct engine_request frame = {
        .command = row->id,
        .flags = id == &request->id ? request->flags : 0,
        .id = *id,
        .actor = request->actor,
        .actor_name = request->actor_name,
        .payload = payload,
        .length = length,
        .deadline_ms = request->deadline_ms,
        .admitted = request->engine != NULL,
    };
    request_mark(request, &frame);
    if (request->engine == NULL)
        request->engine = domain_name(domain);
    enum status status =
        engine_client_send(request->requests->services.engines[domain], &frame, done, request);
    if (status != STATUS_OK)
        request_answer_status(request, status, NULL);
}

void request_mark(struct request *request, struct engine_request *frame)
{
    frame->trace = request->number;
    frame->given_id = request->id_given ? request->id_text : NULL;
    if (request->asked_us == 0)
        request->asked_us = clock_monotonic_us();
}

void request_take_times(struct request *request, const struct engine_reply *reply)
{
    engine_times_add(&request->times, &reply->times);
    request->answered_us = clock_monotonic_us();
}

bool request_reply_usable(struct request *request, const struct engine_reply *reply)
{
    if (reply->batch_size > request->batch_size)
        request->batch_size = reply->batch_size;
    request_take_times(request, reply);
    if (request->exchange == NULL) {
        request_release(request);
        return false;
    }
    request_step_begin(request);
    if (reply->status == STATUS_OK)
        return true;
    request_answer_status(request, (enum status)reply->status, NULL);
    return false;
}

ProtobufCMessage *request_unpack(struct request *request, enum command_index command, const uint8_t *payload,
                                 size_t length)
{
    const struct schema_command *row = &schema_commands[command];
    ProtobufCMessage *message = protobuf_c_message_unpack(
        row->reply->descriptor, arena_allocator(request->requests->arena), length, payload);
    if (message == NULL) {
        log_error("a reply cannot be read id=%s command=%s bytes=%zu", request->id_text, row->name, length);
        request_answer_status(request, STATUS_BAD_FRAME, NULL);
    }
    return message;
}
