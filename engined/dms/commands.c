#include "engined/dms/commands.h"

#include "engined/dms/dms_state.h"
#include "engined/page.h"

/* No message has more besides its text: 8 tags, varints of 10 bytes, and lengths. */
#define MESSAGE_FIXED_BYTES_MAX 128

static uint64_t next_message_id(struct dms *dms)
{
    if (dms->next_message_id == 0) {
        uint64_t last = 0;
        (void)query_one_u64(dms->last_id, &last);
        dms->next_message_id = last + 1;
    }
    return dms->next_message_id;
}

static enum status find_user(struct context *context, uint64_t user_id)
{
    switch (context_lookup(context, DMS_LOOKUP_USER, user_id, NULL)) {
    case LOOKUP_FOUND:
        return STATUS_OK;
    case LOOKUP_PENDING:
        return STATUS_DEFERRED;
    case LOOKUP_MISSING:
        break;
    }
    return STATUS_USER_NOT_FOUND;
}

/* Whether the message is one between these two: STATUS_OK, `missing` when there is none, `outside` when it is
 * of others. */
static enum status check_between(struct dms *dms, uint64_t message_id, uint64_t a, uint64_t b,
                                 enum status missing, enum status outside)
{
    uint64_t from = 0, to = 0;
    query_bind(dms->ends, "u", message_id);
    if (query_row(dms->ends)) {
        from = query_u64(dms->ends, 0);
        to = query_u64(dms->ends, 1);
    }
    query_done(dms->ends);
    if (from == 0)
        return missing;
    return (from == a && to == b) || (from == b && to == a) ? STATUS_OK : outside;
}

static Pb__DirectMessage *message_new(struct arena *arena)
{
    Pb__DirectMessage *message = arena_alloc_raw(arena, sizeof(*message));
    pb__direct_message__init(message);
    message->has_message_id = message->has_from_user_id = message->has_to_user_id = true;
    message->has_is_reply = message->has_created_at = true;
    return message;
}

enum status dms_send(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__DmsSend *request = (const Pb__DmsSend *)message;
    if (context->actor == 0 || request->content == NULL)
        return STATUS_BAD_FRAME;
    enum status status = find_user(context, request->to_user_id);
    if (status == STATUS_OK && request->has_reply_to_id)
        status = check_between(context->state, request->reply_to_id, context->actor, request->to_user_id,
                               STATUS_REPLY_NOT_FOUND, STATUS_REPLY_OUTSIDE);
    if (status != STATUS_OK)
        return status;
    Pb__MessageSent event = PB__MESSAGE_SENT__INIT;
    event.has_message_id = event.has_from_user_id = event.has_to_user_id = event.has_created_at = true;
    event.message_id = next_message_id(context->state);
    event.from_user_id = context->actor;
    event.to_user_id = request->to_user_id;
    event.content = request->content;
    event.has_reply_to_id = request->has_reply_to_id;
    event.reply_to_id = request->reply_to_id;
    event.created_at = context->now_ms;
    context_emit(context, &event.base);

    Pb__DirectMessage *sent = message_new(context->arena);
    sent->message_id = event.message_id;
    sent->from_user_id = event.from_user_id;
    sent->to_user_id = event.to_user_id;
    sent->content = event.content;
    sent->is_reply = sent->has_reply_to_id = event.has_reply_to_id;
    sent->reply_to_id = event.reply_to_id;
    sent->created_at = event.created_at;
    *reply = &sent->base;
    return STATUS_OK;
}

/* Of a row of DM_COLUMNS. */
static Pb__DirectMessage *message_of_row(struct query *row, struct arena *arena)
{
    Pb__DirectMessage *message = message_new(arena);
    message->message_id = query_u64(row, 0);
    message->from_user_id = query_u64(row, 1);
    message->to_user_id = query_u64(row, 2);
    message->is_reply = message->has_reply_to_id = !query_is_null(row, 3);
    message->reply_to_id = query_u64(row, 3);
    message->created_at = query_u64(row, 4);
    message->has_read_at = !query_is_null(row, 5);
    message->read_at = query_u64(row, 5);
    message->content = query_text(row, 6, arena);
    return message;
}

/* The page that a bound query gives; it asks for one row more than `limit`. */
static Pb__DirectMessagePage *read_page(struct query *query, size_t limit, uint32_t order,
                                        struct arena *arena)
{
    Pb__DirectMessagePage *page = arena_alloc_raw(arena, sizeof(*page));
    pb__direct_message_page__init(page);
    page->items = arena_alloc_raw(arena, limit * sizeof(page->items[0]));
    size_t bytes = 0;
    while (query_row(query)) {
        Pb__DirectMessage *message = message_of_row(query, arena);
        bytes += MESSAGE_FIXED_BYTES_MAX + page_text_bytes(message->content);
        if (page->n_items == limit || (page->n_items > 0 && bytes > PAGE_BYTES_MAX)) {
            page->has_next = true;
            page->next = page_next_id(order, page->items[page->n_items - 1]->message_id, arena);
            break;
        }
        page->items[page->n_items++] = message;
    }
    query_done(query);
    return page;
}

enum status dms_of_user(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__DmsOfUser *request = (const Pb__DmsOfUser *)message;
    struct dms *dms = context->state;
    uint64_t user_id = request->has_user_id ? request->user_id : context->actor;
    if (context->actor != 0 && user_id != context->actor)
        return STATUS_FORBIDDEN;
    uint64_t before;
    if (!page_after_id(request->has_after, request->after, COMMAND_ID_dms_of_user, INT64_MAX, context->arena,
                       &before))
        return STATUS_INVALID_CURSOR;
    size_t limit = page_limit(request->limit);
    query_bind(dms->of_user, "uuu", user_id, before, (uint64_t)limit + 1);
    *reply = &read_page(dms->of_user, limit, COMMAND_ID_dms_of_user, context->arena)->base;
    return STATUS_OK;
}

/* Whether the acting user, if there is one, may see what is between these two. */
static bool may_see(const struct context *context, uint64_t a, uint64_t b)
{
    return context->actor == 0 || context->actor == a || context->actor == b;
}

/* Two who never wrote each other: there is nothing to show, but only if both exist. The acting user does. */
static enum status check_strangers(struct context *context, uint64_t a, uint64_t b)
{
    enum status status = a != context->actor ? find_user(context, a) : STATUS_OK;
    if (status == STATUS_OK && b != context->actor)
        status = find_user(context, b);
    return status;
}

enum status dms_conversation(struct context *context, const ProtobufCMessage *message,
                             ProtobufCMessage **reply)
{
    const Pb__DmsConversation *request = (const Pb__DmsConversation *)message;
    struct dms *dms = context->state;
    if (!may_see(context, request->a, request->b))
        return STATUS_FORBIDDEN;
    uint64_t behind;
    if (!page_after_id(request->has_after, request->after, COMMAND_ID_dms_conversation, 0, context->arena,
                       &behind))
        return STATUS_INVALID_CURSOR;
    size_t limit = page_limit(request->limit);
    query_bind(dms->conversation, "uuuu", request->a, request->b, behind, (uint64_t)limit + 1);
    Pb__DirectMessagePage *page =
        read_page(dms->conversation, limit, COMMAND_ID_dms_conversation, context->arena);
    *reply = &page->base;
    return page->n_items > 0 || behind > 0 ? STATUS_OK : check_strangers(context, request->a, request->b);
}

static Pb__DmsMarkedRead *marked_new(struct arena *arena, uint64_t reader_id, uint64_t up_to, uint64_t count)
{
    Pb__DmsMarkedRead *marked = arena_alloc_raw(arena, sizeof(*marked));
    pb__dms_marked_read__init(marked);
    marked->has_user_id = marked->has_up_to = marked->has_marked = true;
    marked->user_id = reader_id;
    marked->up_to = up_to;
    marked->marked = count;
    return marked;
}

enum status dms_mark_read(struct context *context, const ProtobufCMessage *message, ProtobufCMessage **reply)
{
    const Pb__DmsMarkRead *request = (const Pb__DmsMarkRead *)message;
    struct dms *dms = context->state;
    uint64_t reader_id = request->has_user_id ? request->user_id : context->actor;
    if (!may_see(context, reader_id, reader_id) || (reader_id != request->a && reader_id != request->b))
        return STATUS_FORBIDDEN;
    enum status status = check_between(dms, request->up_to, request->a, request->b, STATUS_MESSAGE_NOT_FOUND,
                                       STATUS_UP_TO_OUTSIDE);
    if (status != STATUS_OK)
        return status;
    uint64_t other_id = reader_id == request->a ? request->b : request->a;
    uint64_t count = 0;
    query_bind(dms->count_unread, "uuuu", reader_id, other_id, dms_read_mark(dms, reader_id, other_id),
               request->up_to);
    (void)query_one_u64(dms->count_unread, &count);
    Pb__DmsMarkedRead *marked = marked_new(context->arena, reader_id, request->up_to, count);
    *reply = &marked->base;
    if (count == 0)
        return STATUS_OK;
    Pb__MessagesRead event = PB__MESSAGES_READ__INIT;
    event.has_reader_id = event.has_other_id = event.has_up_to = event.has_read_at = true;
    event.reader_id = reader_id;
    event.other_id = other_id;
    event.up_to = request->up_to;
    event.read_at = context->now_ms;
    context_emit(context, &event.base);
    marked->has_read_at = true;
    marked->read_at = event.read_at;
    return STATUS_OK;
}
