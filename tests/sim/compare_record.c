#include "tests/sim/compare_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/ids.h"
#include "tests/sim/table.h"

struct comparison {
    const struct record *record;
    const struct state_index *index;
    struct differences *differences;
    struct table *surplus; /* kind, hash of a text: how many are there that were not acknowledged */
};

/* ---- what is there, in the record's terms ---- */

static struct record_item item_of_post(const struct state_post *post)
{
    /* A repost has the text of its original: what was asked for is the original alone. */
    return (struct record_item){.kind = ID_POST,
                                .id = post->id,
                                .author = post->author,
                                .container = post->subreddit,
                                .parent = post->original,
                                .text_hash = post->is_repost ? 0 : post->text_hash};
}

static struct record_item item_of_comment(const struct state_comment *comment)
{
    return (struct record_item){.kind = ID_COMMENT,
                                .id = comment->id,
                                .author = comment->author,
                                .container = comment->post,
                                .parent = comment->parent,
                                .text_hash = comment->text_hash};
}

static struct record_item item_of_message(const struct state_message *message)
{
    return (struct record_item){.kind = ID_MESSAGE,
                                .id = message->id,
                                .author = message->from,
                                .container = message->to,
                                .parent = message->reply_to,
                                .text_hash = message->text_hash};
}

static struct record_item item_of_user(const struct state_user *user)
{
    return (struct record_item){.kind = ID_USER, .id = user->id, .name = user->name};
}

static struct record_item item_of_subreddit(const struct state_subreddit *subreddit)
{
    return (struct record_item){
        .kind = ID_SUBREDDIT, .id = subreddit->id, .name = subreddit->name, .author = subreddit->creator};
}

/* False if it is not there. */
static bool find_there(const struct state_index *index, const struct record_item *acked,
                       struct record_item *there)
{
    const struct state_user *user = acked->kind == ID_USER ? state_index_user(index, acked->id) : NULL;
    const struct state_subreddit *subreddit =
        acked->kind == ID_SUBREDDIT ? state_index_subreddit(index, acked->id) : NULL;
    const struct state_post *post = acked->kind == ID_POST ? state_index_post(index, acked->id) : NULL;
    const struct state_comment *comment =
        acked->kind == ID_COMMENT ? state_index_comment(index, acked->id) : NULL;
    const struct state_message *message =
        acked->kind == ID_MESSAGE ? state_index_message(index, acked->id) : NULL;

    if (user != NULL) {
        *there = item_of_user(user);
    } else if (subreddit != NULL) {
        *there = item_of_subreddit(subreddit);
    } else if (post != NULL) {
        *there = item_of_post(post);
    } else if (comment != NULL) {
        *there = item_of_comment(comment);
    } else if (message != NULL) {
        *there = item_of_message(message);
    } else {
        return false;
    }
    return true;
}

/* ---- every acknowledged thing is there ---- */

static void check_number(const struct comparison *comparison, struct id_text id, const char *what,
                         enum id_kind kind, uint64_t there, uint64_t acked)
{
    if (there != acked) {
        differences_add(comparison->differences, "%s %s is %s, acknowledged was %s", id.text, what,
                        there != 0 ? id_format(kind, there).text : "none",
                        acked != 0 ? id_format(kind, acked).text : "none");
    }
}

static void check_fields(const struct comparison *comparison, const struct record_item *acked,
                         const struct record_item *there)
{
    static const struct {
        const char *author, *container, *parent;
        enum id_kind container_kind, parent_kind;
    } fields[ID_KINDS] = {
        [ID_POST] = {"author", "subreddit", "original", ID_SUBREDDIT, ID_POST},
        [ID_COMMENT] = {"author", "post", "parent", ID_POST, ID_COMMENT},
        [ID_MESSAGE] = {"sender", "recipient", "answered message", ID_USER, ID_MESSAGE},
    };
    struct id_text id = id_format(acked->kind, acked->id);

    if (acked->name != NULL) {
        if (strcmp(acked->name, there->name) != 0) {
            differences_add(comparison->differences, "%s name is %s, acknowledged was %s", id.text,
                            there->name, acked->name);
        }
        if (acked->author != 0) {
            check_number(comparison, id, "creator", ID_USER, there->author, acked->author);
        }
        return;
    }
    check_number(comparison, id, fields[acked->kind].author, ID_USER, there->author, acked->author);
    check_number(comparison, id, fields[acked->kind].container, fields[acked->kind].container_kind,
                 there->container, acked->container);
    check_number(comparison, id, fields[acked->kind].parent, fields[acked->kind].parent_kind, there->parent,
                 acked->parent);
    if (there->text_hash != acked->text_hash) {
        differences_add(comparison->differences, "%s text is not what was acknowledged", id.text);
    }
}

static bool messages_read(const struct state_index *index, uint64_t user_id)
{
    const struct state_user *user = state_index_user(index, user_id);

    return user != NULL && user->messages_read;
}

static void check_acked(const struct comparison *comparison, enum id_kind kind)
{
    for (size_t i = 0; i < record_count(comparison->record, kind); i++) {
        const struct record_item *acked = record_at(comparison->record, kind, i);
        struct record_item there;

        if (find_there(comparison->index, acked, &there)) {
            check_fields(comparison, acked, &there);
        } else if (kind != ID_MESSAGE || messages_read(comparison->index, acked->author) ||
                   messages_read(comparison->index, acked->container)) {
            differences_add(comparison->differences, "%s was acknowledged and is not there",
                            id_format(kind, acked->id).text);
        }
    }
}

/* ---- nothing is there twice, or though it was refused ---- */

/* Two runs may ask for the like: only what came after this run's first own id is this run's. */
static bool may_be_others(const struct record *record, const struct record_item *there)
{
    uint64_t first_own = record_first_own(record, there->kind);

    return !record_is_complete(record) && (first_own == 0 || there->id < first_own);
}

static void check_surplus(const struct comparison *comparison, const struct record_item *there)
{
    struct record_expected expected = {0};
    uint64_t key;

    if (may_be_others(comparison->record, there) ||
        record_find(comparison->record, there->kind, there->id) != NULL) {
        return;
    }
    if (!record_expected(comparison->record, there, &expected)) {
        if (record_is_complete(comparison->record)) {
            differences_add(comparison->differences, "%s is there, and nobody asked for it",
                            id_format(there->kind, there->id).text);
        }
        return;
    }
    key = record_fingerprint(there);
    if (++*table_put(comparison->surplus, there->kind, key) > expected.unknown) {
        differences_add(comparison->differences,
                        "%s is there, but was never acknowledged (of its like: %" PRIu32
                        " acknowledged, %" PRIu32 " without an answer)",
                        id_format(there->kind, there->id).text, expected.acked, expected.unknown);
    }
}

static void check_phantoms(const struct comparison *comparison)
{
    const struct state *state = comparison->index->state;
    struct record_item item;

    for (size_t i = 0; i < state->user_count; i++) {
        item = item_of_user(&state->users[i]);
        check_surplus(comparison, &item);
    }
    for (size_t i = 0; i < state->subreddit_count; i++) {
        item = item_of_subreddit(&state->subreddits[i]);
        check_surplus(comparison, &item);
    }
    for (size_t i = 0; i < state->post_count; i++) {
        item = item_of_post(&state->posts[i]);
        check_surplus(comparison, &item);
    }
    for (size_t i = 0; i < state->comment_count; i++) {
        item = item_of_comment(&state->comments[i]);
        check_surplus(comparison, &item);
    }
    for (size_t i = 0; i < state->message_count; i++) {
        /* Both its users may have been read. */
        if (state_index_message(comparison->index, state->messages[i].id) == &state->messages[i]) {
            item = item_of_message(&state->messages[i]);
            check_surplus(comparison, &item);
        }
    }
}

/* ---- memberships ---- */

static void check_members(const struct comparison *comparison)
{
    struct record_member_entry entry;
    size_t cursor = 0;

    while (record_next_member(comparison->record, &cursor, &entry)) {
        bool joined = table_find(comparison->index->joined, entry.user, entry.subreddit) != NULL;

        if (state_index_user(comparison->index, entry.user) == NULL) {
            continue; /* named already */
        }
        if (entry.states == MEMBER_IN && !joined) {
            differences_add(comparison->differences, "%s joined %s, and is not in it",
                            id_format(ID_USER, entry.user).text,
                            id_format(ID_SUBREDDIT, entry.subreddit).text);
        } else if (entry.states == MEMBER_OUT && joined) {
            differences_add(comparison->differences, "%s left %s, and is in it",
                            id_format(ID_USER, entry.user).text,
                            id_format(ID_SUBREDDIT, entry.subreddit).text);
        }
    }
}

static void check_phantom_members(const struct comparison *comparison)
{
    const struct state *state = comparison->index->state;

    for (size_t i = 0; i < state->joined_count; i++) {
        const struct state_link *link = &state->joined[i];
        const struct record_item *user = record_find(comparison->record, ID_USER, link->owner);

        /* A subreddit without an answer to its creation has its creator in it: that is judged above. */
        if (user != NULL && user->own && record_find(comparison->record, ID_SUBREDDIT, link->item) != NULL &&
            record_member_state(comparison->record, link->owner, link->item) == 0) {
            differences_add(comparison->differences, "%s is in %s, which they never joined",
                            id_format(ID_USER, link->owner).text, id_format(ID_SUBREDDIT, link->item).text);
        }
    }
}

/* ---- votes ---- */

/* Votes that are certain, and those that may be besides. */
struct tally {
    struct table *certain_up, *certain_down, *possible_up, *possible_down; /* kind, id */
};

static void count_votes(const struct record *record, struct tally *tally)
{
    struct record_vote_entry entry;
    size_t cursor = 0;

    while (record_next_vote(record, &cursor, &entry)) {
        *table_put(tally->certain_up, entry.kind, entry.id) += entry.states == VOTE_UP;
        *table_put(tally->certain_down, entry.kind, entry.id) += entry.states == VOTE_DOWN;
        *table_put(tally->possible_up, entry.kind, entry.id) += (entry.states & VOTE_UP) != 0;
        *table_put(tally->possible_down, entry.kind, entry.id) += (entry.states & VOTE_DOWN) != 0;
    }
}

static void check_votes(const struct comparison *comparison, enum id_kind kind, uint64_t id, const char *what,
                        int64_t there, uint64_t certain, uint64_t possible)
{
    const struct record_item *acked = record_find(comparison->record, kind, id);

    if (there < (int64_t)certain) {
        differences_add(comparison->differences, "%s %s are %" PRId64 ", acknowledged were %" PRIu64,
                        id_format(kind, id).text, what, there, certain);
    } else if (acked != NULL && acked->own && there > (int64_t)possible) {
        differences_add(comparison->differences, "%s %s are %" PRId64 ", acknowledged were %" PRIu64,
                        id_format(kind, id).text, what, there, possible);
    }
}

static void check_all_votes(const struct comparison *comparison)
{
    const struct state *state = comparison->index->state;
    struct tally tally = {table_new(), table_new(), table_new(), table_new()};

    count_votes(comparison->record, &tally);
    for (size_t i = 0; i < state->post_count; i++) {
        const struct state_post *post = &state->posts[i];

        check_votes(comparison, ID_POST, post->id, "upvotes", post->upvotes,
                    table_get(tally.certain_up, ID_POST, post->id),
                    table_get(tally.possible_up, ID_POST, post->id));
        check_votes(comparison, ID_POST, post->id, "downvotes", post->downvotes,
                    table_get(tally.certain_down, ID_POST, post->id),
                    table_get(tally.possible_down, ID_POST, post->id));
    }
    for (size_t i = 0; i < state->comment_count; i++) {
        const struct state_comment *comment = &state->comments[i];

        check_votes(comparison, ID_COMMENT, comment->id, "upvotes", comment->upvotes,
                    table_get(tally.certain_up, ID_COMMENT, comment->id),
                    table_get(tally.possible_up, ID_COMMENT, comment->id));
        check_votes(comparison, ID_COMMENT, comment->id, "downvotes", comment->downvotes,
                    table_get(tally.certain_down, ID_COMMENT, comment->id),
                    table_get(tally.possible_down, ID_COMMENT, comment->id));
    }
    table_free(tally.certain_up);
    table_free(tally.certain_down);
    table_free(tally.possible_up);
    table_free(tally.possible_down);
}

void compare_record(const struct record *record, const struct state_index *index,
                    struct differences *differences)
{
    struct comparison comparison = {record, index, differences, table_new()};

    for (unsigned kind = 0; kind < ID_KINDS; kind++) {
        check_acked(&comparison, (enum id_kind)kind);
    }
    check_phantoms(&comparison);
    check_members(&comparison);
    check_phantom_members(&comparison);
    check_all_votes(&comparison);
    table_free(comparison.surplus);
}
