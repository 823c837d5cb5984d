#include "tests/sim/compare_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "tests/sim/ids.h"
#include "tests/sim/memory.h"

/* ---- ids and names: each once ---- */

static int by_number(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* `ids` is sorted here. Ids count from 1 without a gap. */
static void check_ids(enum id_kind kind, uint64_t *ids, size_t count, struct differences *differences)
{
    uint64_t last = 0;

    qsort(ids, count, sizeof ids[0], by_number);
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == last) {
            differences_add(differences, "%s is listed twice", id_format(kind, ids[i]).text);
        } else if (ids[i] == last + 2) {
            differences_add(differences, "%s is missing: ids run to %s", id_format(kind, last + 1).text,
                            id_format(kind, ids[count - 1]).text);
        } else if (ids[i] > last + 1) {
            differences_add(differences, "%s to %s are missing: ids run to %s",
                            id_format(kind, last + 1).text, id_format(kind, ids[i] - 1).text,
                            id_format(kind, ids[count - 1]).text);
        }
        last = ids[i];
    }
}

struct named {
    const char *name;
    uint64_t id;
};

static int by_name(const void *a, const void *b)
{
    const struct named *left = a, *right = b;

    return strcasecmp(left->name, right->name);
}

static void check_names(enum id_kind kind, struct named *names, size_t count, struct differences *differences)
{
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 1; i < count; i++) {
        if (by_name(&names[i - 1], &names[i]) == 0 && names[i - 1].id != names[i].id) {
            differences_add(differences, "the %s name %s is there twice: %s and %s", id_kind_name(kind),
                            names[i].name, id_format(kind, names[i - 1].id).text,
                            id_format(kind, names[i].id).text);
        }
    }
}

static void check_users_and_subreddits_once(const struct state *state, struct differences *differences)
{
    size_t most = state->user_count > state->subreddit_count ? state->user_count : state->subreddit_count;
    uint64_t *ids = mem_alloc(most * sizeof *ids);
    struct named *names = mem_alloc(most * sizeof *names);

    for (size_t i = 0; i < state->user_count; i++) {
        ids[i] = state->users[i].id;
        names[i] = (struct named){.name = state->users[i].name, .id = ids[i]};
    }
    check_ids(ID_USER, ids, state->user_count, differences);
    check_names(ID_USER, names, state->user_count, differences);
    for (size_t i = 0; i < state->subreddit_count; i++) {
        ids[i] = state->subreddits[i].id;
        names[i] = (struct named){.name = state->subreddits[i].name, .id = ids[i]};
    }
    check_ids(ID_SUBREDDIT, ids, state->subreddit_count, differences);
    check_names(ID_SUBREDDIT, names, state->subreddit_count, differences);
    free(ids);
    free(names);
}

static void check_posts_and_comments_once(const struct state *state, struct differences *differences)
{
    size_t most = state->post_count > state->comment_count ? state->post_count : state->comment_count;
    uint64_t *ids = mem_alloc(most * sizeof *ids);

    for (size_t i = 0; i < state->post_count; i++) {
        ids[i] = state->posts[i].id;
    }
    check_ids(ID_POST, ids, state->post_count, differences);
    for (size_t i = 0; i < state->comment_count; i++) {
        ids[i] = state->comments[i].id;
    }
    check_ids(ID_COMMENT, ids, state->comment_count, differences);
    free(ids);
}

/* ---- posts and comments ---- */

static void check_author(const struct state_index *index, enum id_kind kind, uint64_t id, uint64_t author,
                         struct differences *differences)
{
    if (state_index_user(index, author) == NULL) {
        differences_add(differences, "%s is by %s, who is not there", id_format(kind, id).text,
                        id_format(ID_USER, author).text);
    }
}

static void check_score(enum id_kind kind, uint64_t id, int64_t upvotes, int64_t downvotes, int64_t score,
                        struct differences *differences)
{
    if (score != upvotes - downvotes) {
        differences_add(differences,
                        "%s score is %" PRId64 ", its votes are %" PRId64 " up and %" PRId64 " down",
                        id_format(kind, id).text, score, upvotes, downvotes);
    }
}

static void check_original(const struct state_index *index, const struct state_post *post,
                           struct differences *differences)
{
    const struct state_post *original = state_index_post(index, post->original);
    struct id_text id = id_format(ID_POST, post->id);

    if (!post->is_repost) {
        if (post->original != 0) {
            differences_add(differences, "%s is no repost, yet has an original", id.text);
        }
    } else if (original == NULL) {
        differences_add(differences, "%s is a repost of %s, which is not there", id.text,
                        id_format(ID_POST, post->original).text);
    } else if (original->is_repost) {
        differences_add(differences, "%s is a repost of %s, which is one itself", id.text,
                        id_format(ID_POST, post->original).text);
    }
}

static void check_posts(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;
    struct table *comments = table_new();

    for (size_t i = 0; i < state->comment_count; i++) {
        ++*table_put(comments, state->comments[i].post, 0);
    }
    for (size_t i = 0; i < state->post_count; i++) {
        const struct state_post *post = &state->posts[i];
        uint64_t counted = table_get(comments, post->id, 0);

        check_score(ID_POST, post->id, post->upvotes, post->downvotes, post->score, differences);
        check_original(index, post, differences);
        check_author(index, ID_POST, post->id, post->author, differences);
        if (post->comment_count != (int64_t)counted) {
            differences_add(differences, "%s comment_count is %" PRId64 ", its comments are %" PRIu64,
                            id_format(ID_POST, post->id).text, post->comment_count, counted);
        }
        if (post->subreddit != post->listed_in) {
            differences_add(differences, "%s says it is in %s, but is listed in %s",
                            id_format(ID_POST, post->id).text, id_format(ID_SUBREDDIT, post->subreddit).text,
                            id_format(ID_SUBREDDIT, post->listed_in).text);
        }
    }
    table_free(comments);
}

static void check_parent(const struct state_index *index, const struct state_comment *comment,
                         struct differences *differences)
{
    const struct state_comment *parent = state_index_comment(index, comment->parent);
    struct id_text id = id_format(ID_COMMENT, comment->id),
                   parent_id = id_format(ID_COMMENT, comment->parent);

    if (comment->parent == 0) {
        if (comment->depth != 0) {
            differences_add(differences, "%s has no parent, yet its depth is %" PRId64, id.text,
                            comment->depth);
        }
    } else if (parent == NULL) {
        differences_add(differences, "%s answers %s, which is not there", id.text, parent_id.text);
    } else if (parent->post != comment->post) {
        differences_add(differences, "%s answers %s, which is on another post", id.text, parent_id.text);
    } else if (comment->depth != parent->depth + 1) {
        differences_add(differences, "%s depth is %" PRId64 ", its parent's is %" PRId64, id.text,
                        comment->depth, parent->depth);
    }
}

static void check_comments(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;
    struct table *replies = table_new();

    for (size_t i = 0; i < state->comment_count; i++) {
        ++*table_put(replies, state->comments[i].parent, 0);
    }
    for (size_t i = 0; i < state->comment_count; i++) {
        const struct state_comment *comment = &state->comments[i];
        uint64_t counted = table_get(replies, comment->id, 0);

        check_score(ID_COMMENT, comment->id, comment->upvotes, comment->downvotes, comment->score,
                    differences);
        check_parent(index, comment, differences);
        check_author(index, ID_COMMENT, comment->id, comment->author, differences);
        if (comment->reply_count != (int64_t)counted) {
            differences_add(differences, "%s reply_count is %" PRId64 ", its replies are %" PRIu64,
                            id_format(ID_COMMENT, comment->id).text, comment->reply_count, counted);
        }
        if (comment->post != comment->listed_in) {
            differences_add(differences, "%s says it is on %s, but is listed on %s",
                            id_format(ID_COMMENT, comment->id).text, id_format(ID_POST, comment->post).text,
                            id_format(ID_POST, comment->listed_in).text);
        }
    }
    table_free(replies);
}

/* ---- users and subreddits ---- */

struct karma {
    struct table *post_karma, *comment_karma; /* user -> sum of scores, as two's complement */
};

static void sum_up(const struct state *state, struct karma *karma)
{
    for (size_t i = 0; i < state->post_count; i++) {
        *table_put(karma->post_karma, state->posts[i].author, 0) += (uint64_t)state->posts[i].score;
    }
    for (size_t i = 0; i < state->comment_count; i++) {
        *table_put(karma->comment_karma, state->comments[i].author, 0) += (uint64_t)state->comments[i].score;
    }
}

static void check_karma(const struct state_user *user, const struct karma *karma,
                        struct differences *differences)
{
    int64_t post_votes = (int64_t)table_get(karma->post_karma, user->id, 0);
    int64_t comment_votes = (int64_t)table_get(karma->comment_karma, user->id, 0);
    struct id_text id = id_format(ID_USER, user->id);

    if (user->post_karma != post_votes) {
        differences_add(differences, "%s post_karma is %" PRId64 ", the votes on their posts are %" PRId64,
                        id.text, user->post_karma, post_votes);
    }
    if (user->comment_karma != comment_votes) {
        differences_add(differences,
                        "%s comment_karma is %" PRId64 ", the votes on their comments are %" PRId64, id.text,
                        user->comment_karma, comment_votes);
    }
    if (user->karma != user->post_karma + user->comment_karma) {
        differences_add(differences, "%s karma is %" PRId64 ", its parts are %" PRId64 " and %" PRId64,
                        id.text, user->karma, user->post_karma, user->comment_karma);
    }
}

static void check_users(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;
    struct karma karma = {table_new(), table_new()};

    sum_up(state, &karma);
    for (size_t i = 0; i < state->user_count; i++) {
        const struct state_user *user = &state->users[i];

        check_karma(user, &karma, differences);
        if (user->found_by_name != user->id) {
            differences_add(differences, "%s is %s by id, but by that name it is %s",
                            id_format(ID_USER, user->id).text, user->name,
                            user->found_by_name != 0 ? id_format(ID_USER, user->found_by_name).text
                                                     : "not found");
        }
    }
    table_free(karma.post_karma);
    table_free(karma.comment_karma);
}

static void check_memberships(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;
    struct table *members = table_new();
    struct table_entry entry;
    size_t cursor = 0;

    while (table_next(index->joined, &cursor, &entry)) {
        ++*table_put(members, entry.b, 0);
        if (entry.value > 1) {
            differences_add(differences, "%s lists %s twice", id_format(ID_USER, entry.a).text,
                            id_format(ID_SUBREDDIT, entry.b).text);
        }
        if (state_index_subreddit(index, entry.b) == NULL) {
            differences_add(differences, "%s is in %s, which is not there", id_format(ID_USER, entry.a).text,
                            id_format(ID_SUBREDDIT, entry.b).text);
        }
    }
    for (size_t i = 0; i < state->subreddit_count; i++) {
        const struct state_subreddit *subreddit = &state->subreddits[i];
        uint64_t counted = table_get(members, subreddit->id, 0);

        if (subreddit->member_count != (int64_t)counted) {
            differences_add(differences, "%s member_count is %" PRId64 ", its members are %" PRIu64,
                            id_format(ID_SUBREDDIT, subreddit->id).text, subreddit->member_count, counted);
        }
    }
    table_free(members);
}

/* ---- lists of a user's own, and feeds ---- */

/* Each link's item must be by its owner, once; as many as the owner wrote. */
static void check_wrote(const struct state_index *index, enum id_kind kind, const struct state_link *links,
                        size_t count, struct differences *differences)
{
    const struct state *state = index->state;
    struct table *wrote = table_new(), *listed = table_new();
    size_t total = kind == ID_POST ? state->post_count : state->comment_count;

    for (size_t i = 0; i < total; i++) {
        uint64_t author = kind == ID_POST ? state->posts[i].author : state->comments[i].author;
        uint64_t id = kind == ID_POST ? state->posts[i].id : state->comments[i].id;

        *table_put(wrote, author, id) = 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (table_find(wrote, links[i].owner, links[i].item) == NULL) {
            differences_add(differences, "the list of %s holds %s, which is not theirs",
                            id_format(ID_USER, links[i].owner).text, id_format(kind, links[i].item).text);
        }
        if (++*table_put(listed, links[i].owner, links[i].item) == 2) {
            differences_add(differences, "the list of %s holds %s twice",
                            id_format(ID_USER, links[i].owner).text, id_format(kind, links[i].item).text);
        }
    }
    for (size_t i = 0; i < total; i++) {
        uint64_t author = kind == ID_POST ? state->posts[i].author : state->comments[i].author;
        uint64_t id = kind == ID_POST ? state->posts[i].id : state->comments[i].id;
        const struct state_user *user = state_index_user(index, author);

        if (user != NULL && user->lists_read && table_find(listed, author, id) == NULL) {
            differences_add(differences, "the list of %s lacks their %s", id_format(ID_USER, author).text,
                            id_format(kind, id).text);
        }
    }
    table_free(wrote);
    table_free(listed);
}

static void check_whole_feed(const struct state_index *index, const struct table *shown,
                             const struct state_user *user, struct differences *differences)
{
    const struct state *state = index->state;

    for (size_t i = 0; i < state->post_count; i++) {
        const struct state_post *post = &state->posts[i];

        if (table_find(index->joined, user->id, post->subreddit) != NULL &&
            table_find(shown, user->id, post->id) == NULL) {
            differences_add(differences, "the feed of %s lacks %s of %s, which they joined",
                            id_format(ID_USER, user->id).text, id_format(ID_POST, post->id).text,
                            id_format(ID_SUBREDDIT, post->subreddit).text);
        }
    }
}

static void check_feeds(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;
    struct table *shown = table_new();

    for (size_t i = 0; i < state->feed_count; i++) {
        const struct state_feed_item *item = &state->feed[i];

        if (table_find(index->joined, item->user, item->subreddit) == NULL) {
            differences_add(differences, "the feed of %s holds %s of %s, which they did not join",
                            id_format(ID_USER, item->user).text, id_format(ID_POST, item->post).text,
                            id_format(ID_SUBREDDIT, item->subreddit).text);
        }
        if (++*table_put(shown, item->user, item->post) == 2) {
            differences_add(differences, "the feed of %s holds %s twice", id_format(ID_USER, item->user).text,
                            id_format(ID_POST, item->post).text);
        }
    }
    for (size_t i = 0; i < state->user_count; i++) {
        if (state->users[i].feed_whole) {
            check_whole_feed(index, shown, &state->users[i], differences);
        }
    }
    table_free(shown);
}

/* ---- messages ---- */

static void check_reader(const struct state_index *index, const struct state_message *message,
                         uint64_t reader, struct differences *differences)
{
    const struct state_user *user = state_index_user(index, reader);
    uint64_t seen = table_get(index->message_readers, message->id, reader);

    if (user != NULL && user->messages_read && seen == 0) {
        differences_add(differences, "%s does not see %s, which is from %s to %s",
                        id_format(ID_USER, reader).text, id_format(ID_MESSAGE, message->id).text,
                        id_format(ID_USER, message->from).text, id_format(ID_USER, message->to).text);
    } else if (seen > 1) {
        differences_add(differences, "%s sees %s twice", id_format(ID_USER, reader).text,
                        id_format(ID_MESSAGE, message->id).text);
    }
}

static bool same_conversation(const struct state_message *a, const struct state_message *b)
{
    return (a->from == b->from && a->to == b->to) || (a->from == b->to && a->to == b->from);
}

static void check_messages(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;

    for (size_t i = 0; i < state->message_count; i++) {
        const struct state_message *message = &state->messages[i];
        const struct state_message *first = state_index_message(index, message->id);
        const struct state_message *replied = state_index_message(index, message->reply_to);
        struct id_text id = id_format(ID_MESSAGE, message->id);

        if (message->reader != message->from && message->reader != message->to) {
            differences_add(differences, "%s sees %s, which is from %s to %s",
                            id_format(ID_USER, message->reader).text, id.text,
                            id_format(ID_USER, message->from).text, id_format(ID_USER, message->to).text);
        }
        if (first == message) {
            check_reader(index, message, message->from, differences);
            if (message->to != message->from) {
                check_reader(index, message, message->to, differences);
            }
        } else if (first->from != message->from || first->to != message->to ||
                   first->text_hash != message->text_hash) {
            differences_add(differences, "%s is not the same for both its users", id.text);
        }
        if (message->reply_to != 0 && (replied == NULL || !same_conversation(message, replied))) {
            differences_add(differences, "%s answers %s, which is not of that conversation", id.text,
                            id_format(ID_MESSAGE, message->reply_to).text);
        }
    }
}

static bool is_of(const struct state_message *message, const struct state_conversation *conversation)
{
    return (message->from == conversation->first && message->to == conversation->second) ||
           (message->from == conversation->second && message->to == conversation->first);
}

static struct id_text conversation_text(const struct state_conversation *conversation)
{
    struct id_text text;

    snprintf(text.text, sizeof text.text, "%" PRIu64 " and %" PRIu64, conversation->first,
             conversation->second);
    return text;
}

/* Each item is of these two, once, and later than the one before it. */
static void check_conversation_items(const struct state_index *index, struct table *shown,
                                     struct differences *differences)
{
    const struct state *state = index->state;
    uint64_t *last = mem_zeroed(state->conversation_count + 1, sizeof *last);

    for (size_t i = 0; i < state->conversation_item_count; i++) {
        const struct state_link *link = &state->conversation_items[i];
        const struct state_conversation *conversation = &state->conversations[link->owner];
        const struct state_message *message = state_index_message(index, link->item);
        struct id_text users = conversation_text(conversation);

        if (message == NULL || !is_of(message, conversation)) {
            differences_add(differences, "the conversation of users %s holds %s, which is not of it",
                            users.text, id_format(ID_MESSAGE, link->item).text);
        }
        if (++*table_put(shown, link->owner, link->item) == 2) {
            differences_add(differences, "the conversation of users %s holds %s twice", users.text,
                            id_format(ID_MESSAGE, link->item).text);
        } else if (link->item < last[link->owner]) {
            differences_add(differences, "the conversation of users %s shows %s too late", users.text,
                            id_format(ID_MESSAGE, link->item).text);
        }
        last[link->owner] = link->item;
    }
    free(last);
}

static void check_conversations(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;
    struct table *shown = table_new(), *places = table_new(); /* users: place + 1 */

    check_conversation_items(index, shown, differences);
    for (size_t i = 0; i < state->conversation_count; i++) {
        if (state->conversations[i].whole) {
            *table_put(places, state->conversations[i].first, state->conversations[i].second) = i + 1;
        }
    }
    for (size_t i = 0; i < state->message_count; i++) {
        const struct state_message *message = &state->messages[i];
        bool rising = message->from < message->to;
        uint64_t place =
            table_get(places, rising ? message->from : message->to, rising ? message->to : message->from);

        if (place > 0 && state_index_message(index, message->id) == message &&
            table_find(shown, place - 1, message->id) == NULL) {
            differences_add(differences, "the conversation of users %s lacks %s",
                            conversation_text(&state->conversations[place - 1]).text,
                            id_format(ID_MESSAGE, message->id).text);
        }
    }
    table_free(shown);
    table_free(places);
}

void compare_state(const struct state_index *index, struct differences *differences)
{
    const struct state *state = index->state;

    for (size_t i = 0; i < state->trouble_count; i++) {
        differences_add(differences, "%s", state->troubles[i]);
    }
    check_users_and_subreddits_once(state, differences);
    check_posts_and_comments_once(state, differences);
    check_posts(index, differences);
    check_comments(index, differences);
    check_users(index, differences);
    check_memberships(index, differences);
    check_wrote(index, ID_POST, state->user_posts, state->user_post_count, differences);
    check_wrote(index, ID_COMMENT, state->user_comments, state->user_comment_count, differences);
    check_feeds(index, differences);
    check_messages(index, differences);
    check_conversations(index, differences);
}
