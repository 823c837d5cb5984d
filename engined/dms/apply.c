#include "engined/dms/dms_state.h"

static void put_inbox(struct dms *dms, uint64_t user_id, uint64_t message_id)
{
    query_bind(dms->inbox_insert, "uu", user_id, message_id);
    query_run(dms->inbox_insert);
}

void dms_apply_sent(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct dms *dms = state;
    const Pb__MessageSent *event = (const Pb__MessageSent *)message;
    query_bind(dms->message_insert, "uuuuus", event->message_id, event->from_user_id, event->to_user_id,
               event->reply_to_id, event->created_at, event->content);
    query_run(dms->message_insert);
    put_inbox(dms, event->from_user_id, event->message_id);
    if (event->to_user_id != event->from_user_id)
        put_inbox(dms, event->to_user_id, event->message_id);
    dms->next_message_id = event->message_id + 1;
}

uint64_t dms_read_mark(struct dms *dms, uint64_t reader_id, uint64_t other_id)
{
    uint64_t up_to = 0;
    query_bind(dms->read_mark, "uu", reader_id, other_id);
    (void)query_one_u64(dms->read_mark, &up_to);
    return up_to;
}

void dms_apply_read(void *state, struct arena *arena, const ProtobufCMessage *message)
{
    (void)arena;
    struct dms *dms = state;
    const Pb__MessagesRead *event = (const Pb__MessagesRead *)message;
    query_bind(dms->mark_messages, "uuuuu", event->reader_id, event->other_id,
               dms_read_mark(dms, event->reader_id, event->other_id), event->up_to, event->read_at);
    query_run(dms->mark_messages);
    query_bind(dms->mark_put, "uuu", event->reader_id, event->other_id, event->up_to);
    query_run(dms->mark_put);
}
