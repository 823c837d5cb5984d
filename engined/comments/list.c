/* The comments of a post, in tree order: which ones come from the tree in memory (walk.h), their texts from
 * the tables. */
#include "common/limits.h"
#include "engined/comments/commands.h"
#include "engined/comments/comments_state.h"
#include "engined/comments/walk.h"
#include "engined/cursor.h"
#include "engined/page.h"

/* Among all cursors. */
static uint32_t order_number(Pb__CommentsOfPost__Sort sort)
{
    return (uint32_t)COMMAND_ID_comments_of_post << 8 | (uint32_t)sort;
}

/* The node that the listing is below. */
static enum status find_root(struct comments *comments, const Pb__CommentsOfPost *request,
                             const struct thread *thread, uint32_t *root)
{
    *root = THREAD_NONE;
    if (!request->has_parent_id)
        return STATUS_OK;
    *root = thread_find(thread, request->parent_id);
    if (*root != THREAD_NONE)
        return STATUS_OK;
    uint64_t post_id;
    bool elsewhere = comment_place(comments, request->parent_id, &post_id, NULL);
    return elsewhere ? STATUS_PARENT_OF_OTHER_POST : STATUS_PARENT_NOT_FOUND;
}

/* The walk's comments, as many as fit one reply. */
static Pb__CommentPage *read_page(struct context *context, const struct walk_page *walked)
{
    Pb__CommentPage *page = arena_alloc_raw(context->arena, sizeof(*page));
    pb__comment_page__init(page);
    page->items = arena_alloc_raw(context->arena, walked->count * sizeof(page->items[0]));
    size_t bytes = 0;
    for (size_t i = 0; i < walked->count; i++) {
        Pb__Comment *comment =
            comment_find(context->state, walked->items[i].id, context->actor, context->arena);
        if (comment == NULL)
            break; /* the storage fails: nobody will see this page */
        bytes += comment_bytes_bound(comment);
        if (bytes > PAGE_BYTES_MAX)
            break;
        page->items[page->n_items++] = comment;
    }
    return page;
}

/* Puts replies into their parents, as far as those are on the page; what is left at the top stays in order.
 */
static void nest(Pb__CommentPage *page, const struct walk_page *walked, struct arena *arena)
{
    /* Seen on each level. In tree order the last one a level up is the parent, if that is on the page. */
    Pb__Comment *last[LIMIT_COMMENT_DEPTH + 1] = {0};
    size_t top = 0;
    for (size_t i = 0; i < page->n_items; i++) {
        Pb__Comment *comment = page->items[i];
        unsigned level = walked->items[i].level;
        comment->replies = arena_alloc_raw(arena, sizeof(*comment->replies));
        pb__comment_replies__init(comment->replies);
        comment->replies->items =
            arena_alloc_raw(arena, (page->n_items - i) * sizeof(comment->replies->items[0]));
        last[level] = comment;
        Pb__Comment *parent = level > 0 ? last[level - 1] : NULL;
        if (parent != NULL)
            parent->replies->items[parent->replies->n_items++] = comment;
        else
            page->items[top++] = comment;
    }
    page->n_items = top;
}

static void set_next(Pb__CommentPage *page, const struct walk_query *query, const struct walk_page *walked,
                     struct arena *arena)
{
    Pb__Cursor next = PB__CURSOR__INIT;
    next.has_order = true;
    next.order = order_number(query->sort);
    walk_set_path(query, walked, page->n_items, arena, &next);
    page->has_next = true;
    page->next = cursor_pack(&next, arena);
}

/* max_depth counts from the listing's top: 0 shows that alone, whether it is of roots or of replies to
 * parent_id. */
static unsigned max_level(const Pb__CommentsOfPost *request)
{
    return request->has_max_depth && request->max_depth < LIMIT_COMMENT_DEPTH ? request->max_depth
                                                                              : LIMIT_COMMENT_DEPTH;
}

enum status comments_of_post(struct context *context, const ProtobufCMessage *message,
                             ProtobufCMessage **reply)
{
    const Pb__CommentsOfPost *request = (const Pb__CommentsOfPost *)message;
    struct comments *comments = context->state;
    struct arena *arena = context->arena;
    if (!walk_knows_sort(request->sort))
        return STATUS_BAD_FRAME;
    enum status status = comments_find_post(context, request->post_id);
    if (status != STATUS_OK)
        return status;
    Pb__Cursor *after = NULL;
    if (!cursor_unpack(request->has_after, request->after, order_number(request->sort), arena, &after))
        return STATUS_INVALID_CURSOR;
    struct walk_query query = {.thread = threads_get(comments->threads, request->post_id),
                               .sort = request->sort,
                               .max_level = max_level(request),
                               .limit = page_limit(request->limit),
                               .after = after};
    status = find_root(comments, request, query.thread, &query.root);
    if (status != STATUS_OK)
        return status;
    struct walk_page walked;
    if (!walk_read(&query, arena, &walked))
        return STATUS_INVALID_CURSOR;
    Pb__CommentPage *page = read_page(context, &walked);
    if (page->n_items > 0 && (walked.more || page->n_items < walked.count))
        set_next(page, &query, &walked, arena);
    page->has_total = true;
    page->total = walk_total(&query, arena);
    if (request->view == PB__COMMENTS_OF_POST__VIEW__tree)
        nest(page, &walked, arena);
    *reply = &page->base;
    return STATUS_OK;
}
