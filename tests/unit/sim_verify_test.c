/* The verifier, with one fault of each kind planted into a record and a state that agree. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/compare.h"
#include "tests/sim/record.h"
#include "tests/sim/state.h"

/* user_1 Ada and user_2 Bob; sub_1 of Ada, joined by Bob; sub_2 of Bob. */
struct world {
    struct record *record;
    struct state *state;
};

static void record_make(struct record *record, struct record_item item)
{
    item.own = true;
    record_item(record, OUTCOME_OK, &item);
}

static void fill_record(struct record *record)
{
    record_make(record, (struct record_item){.kind = ID_USER, .id = 1, .name = "Ada"});
    record_make(record, (struct record_item){.kind = ID_USER, .id = 2, .name = "Bob"});
    record_make(record, (struct record_item){.kind = ID_SUBREDDIT, .id = 1, .name = "lovely", .author = 1});
    record_make(record, (struct record_item){.kind = ID_SUBREDDIT, .id = 2, .name = "hoppy", .author = 2});
    record_member(record, OUTCOME_OK, 2, 1, MEMBER_IN);
    record_make(record, (struct record_item){.kind = ID_POST,
                                             .id = 1,
                                             .author = 1,
                                             .container = 1,
                                             .text_hash = record_text_hash("Title", "Content")});
    record_make(record,
                (struct record_item){.kind = ID_POST, .id = 2, .author = 2, .container = 2, .parent = 1});
    record_make(record, (struct record_item){.kind = ID_COMMENT,
                                             .id = 1,
                                             .author = 2,
                                             .container = 1,
                                             .text_hash = record_text_hash("", "First")});
    record_make(record, (struct record_item){.kind = ID_COMMENT,
                                             .id = 2,
                                             .author = 1,
                                             .container = 1,
                                             .parent = 1,
                                             .text_hash = record_text_hash("", "Second")});
    record_vote(record, OUTCOME_OK, 2, ID_POST, 1, VOTE_UP);
    record_vote(record, OUTCOME_OK, 1, ID_COMMENT, 1, VOTE_DOWN);
    record_make(record, (struct record_item){.kind = ID_MESSAGE,
                                             .id = 1,
                                             .author = 1,
                                             .container = 2,
                                             .text_hash = record_text_hash("", "Hello")});
}

static void fill_written(struct state *state)
{
    state_add_post(state, &(struct state_post){.id = 1,
                                               .author = 1,
                                               .subreddit = 1,
                                               .listed_in = 1,
                                               .text_hash = record_text_hash("Title", "Content"),
                                               .upvotes = 1,
                                               .score = 1,
                                               .comment_count = 2});
    state_add_post(state, &(struct state_post){.id = 2,
                                               .author = 2,
                                               .original = 1,
                                               .subreddit = 2,
                                               .listed_in = 2,
                                               .text_hash = record_text_hash("Title", "Content"),
                                               .is_repost = true});
    state_add_comment(state, &(struct state_comment){.id = 1,
                                                     .author = 2,
                                                     .post = 1,
                                                     .listed_in = 1,
                                                     .text_hash = record_text_hash("", "First"),
                                                     .downvotes = 1,
                                                     .score = -1,
                                                     .reply_count = 1});
    state_add_comment(state, &(struct state_comment){.id = 2,
                                                     .author = 1,
                                                     .parent = 1,
                                                     .post = 1,
                                                     .listed_in = 1,
                                                     .text_hash = record_text_hash("", "Second"),
                                                     .depth = 1});
    for (uint64_t reader = 1; reader <= 2; reader++) {
        state_add_message(
            state,
            &(struct state_message){
                .reader = reader, .id = 1, .from = 1, .to = 2, .text_hash = record_text_hash("", "Hello")});
    }
}

static void fill_state(struct state *state)
{
    state_add_subreddit(state,
                        &(struct state_subreddit){.id = 2, .creator = 2, .name = "hoppy", .member_count = 1});
    state_add_subreddit(
        state, &(struct state_subreddit){.id = 1, .creator = 1, .name = "lovely", .member_count = 2});
    state_add_user(state, &(struct state_user){.id = 1,
                                               .found_by_name = 1,
                                               .name = "Ada",
                                               .karma = 1,
                                               .post_karma = 1,
                                               .feed_whole = true,
                                               .lists_read = true,
                                               .messages_read = true});
    state_add_user(state, &(struct state_user){.id = 2,
                                               .found_by_name = 2,
                                               .name = "Bob",
                                               .karma = -1,
                                               .comment_karma = -1,
                                               .feed_whole = true,
                                               .lists_read = true,
                                               .messages_read = true});
    state_add_joined(state, 1, 1);
    state_add_joined(state, 2, 1);
    state_add_joined(state, 2, 2);
    fill_written(state);
    state_add_feed_item(state, &(struct state_feed_item){.user = 1, .post = 1, .subreddit = 1});
    state_add_feed_item(state, &(struct state_feed_item){.user = 2, .post = 2, .subreddit = 2});
    state_add_feed_item(state, &(struct state_feed_item){.user = 2, .post = 1, .subreddit = 1});
    state_add_user_post(state, 1, 1);
    state_add_user_post(state, 2, 2);
    state_add_user_comment(state, 2, 1);
    state_add_user_comment(state, 1, 2);
    state_add_conversation(state, 1, 2);
    state->conversations[0].whole = true;
    state_add_conversation_item(state, 0, 1);
}

static struct world world_new(void)
{
    struct world world = {record_new(), state_new()};

    fill_record(world.record);
    fill_state(world.state);
    return world;
}

static void world_free(struct world *world)
{
    record_free(world->record);
    state_free(world->state);
}

static bool is_named(const struct differences *differences, const char *line)
{
    for (size_t i = 0; i < differences_count(differences); i++) {
        if (strcmp(differences_at(differences, i), line) == 0) {
            return true;
        }
    }
    return false;
}

Test(verify, finds_nothing_where_record_and_state_agree)
{
    struct world world = world_new();
    struct differences *differences = compare(world.record, world.state);

    differences_print(differences, stderr);
    cr_expect_eq(differences_count(differences), 0);
    differences_free(differences);
    world_free(&world);
}

Test(verify, finds_nothing_in_an_empty_server_without_a_record)
{
    struct record *record = record_new();
    struct state *state = state_new();
    struct differences *differences = compare(record, state);

    cr_expect_eq(differences_count(differences), 0);
    differences_free(differences);
    record_free(record);
    state_free(state);
}

/* ---- faults of the server ---- */

static void take_away_last_post(struct world *world)
{
    world->state->post_count--;
    world->state->feed_count--;
}

static void take_away_first_comment(struct world *world)
{
    world->state->comments[0] = world->state->comments[--world->state->comment_count];
}

static void list_post_twice(struct world *world)
{
    state_add_post(
        world->state,
        &(struct state_post){
            .id = 2, .author = 2, .original = 1, .subreddit = 2, .listed_in = 2, .is_repost = true});
}

static void do_a_post_twice(struct world *world)
{
    struct state_post again = world->state->posts[0];

    again.id = 3;
    state_add_post(world->state, &again);
}

static void do_a_repost_twice(struct world *world)
{
    struct state_post again = world->state->posts[1];

    again.id = 3;
    state_add_post(world->state, &again);
}

static void do_a_comment_twice(struct world *world)
{
    struct state_comment again = world->state->comments[1];

    again.id = 3;
    state_add_comment(world->state, &again);
}

static void do_a_message_twice(struct world *world)
{
    struct state_message again = world->state->messages[0];

    again.id = 2;
    state_add_message(world->state, &again);
}

static void do_what_was_refused(struct world *world)
{
    struct record_item item = {
        .kind = ID_COMMENT, .author = 1, .container = 1, .text_hash = record_text_hash("", "Refused")};

    record_item(world->record, OUTCOME_FAILED, &item);
    state_add_comment(world->state,
                      &(struct state_comment){
                          .id = 3, .author = 1, .post = 1, .listed_in = 1, .text_hash = item.text_hash});
}

static void give_a_username_twice(struct world *world)
{
    state_add_user(world->state, &(struct state_user){.id = 3, .found_by_name = 3, .name = "aDA"});
}

static void give_a_subreddit_name_twice(struct world *world)
{
    state_add_subreddit(world->state, &(struct state_subreddit){.id = 3, .name = "Hoppy"});
}

static void lose_a_user(struct world *world)
{
    free((char *)world->state->users[0].name);
    world->state->users[0] = world->state->users[1];
    world->state->user_count = 1;
}

static void rename_a_user(struct world *world)
{
    free((char *)world->state->users[0].name);
    world->state->users[0].name = strdup("Eda");
}

static void find_another_by_name(struct world *world)
{
    world->state->users[0].found_by_name = 2;
}

static void find_nobody_by_name(struct world *world)
{
    world->state->users[1].found_by_name = 0;
}

static void miscount_comments(struct world *world)
{
    world->state->posts[0].comment_count = 3;
}

static void miscount_replies(struct world *world)
{
    world->state->comments[0].reply_count = 0;
}

static void miscount_members(struct world *world)
{
    world->state->subreddits[1].member_count = 5;
}

static void miscount_post_karma(struct world *world)
{
    world->state->users[0].post_karma = 2;
    world->state->users[0].karma = 2;
}

static void miscount_comment_karma(struct world *world)
{
    world->state->users[1].comment_karma = 0;
    world->state->users[1].karma = 0;
}

static void miscount_karma(struct world *world)
{
    world->state->users[0].karma = 7;
}

static void miscount_score(struct world *world)
{
    world->state->posts[0].score = 2;
}

static void lose_a_vote(struct world *world)
{
    world->state->posts[0].upvotes = 0;
    world->state->posts[0].score = 0;
}

static void count_a_vote_twice(struct world *world)
{
    world->state->comments[0].downvotes = 2;
    world->state->comments[0].score = -2;
}

static void change_a_text(struct world *world)
{
    world->state->posts[0].text_hash++;
}

static void change_an_author(struct world *world)
{
    world->state->comments[1].author = 2;
}

static void move_a_post(struct world *world)
{
    world->state->posts[0].listed_in = 2;
}

static void deepen_a_comment(struct world *world)
{
    world->state->comments[1].depth = 3;
}

static void repost_a_repost(struct world *world)
{
    state_add_post(
        world->state,
        &(struct state_post){
            .id = 3, .author = 1, .original = 2, .subreddit = 1, .listed_in = 1, .is_repost = true});
}

static void forget_a_membership(struct world *world)
{
    world->state->joined[1] = world->state->joined[2];
    world->state->joined_count = 2;
}

static void add_a_membership(struct world *world)
{
    state_add_joined(world->state, 1, 2);
}

static void keep_one_who_left(struct world *world)
{
    record_member(world->record, OUTCOME_OK, 2, 1, MEMBER_OUT);
}

static void join_twice(struct world *world)
{
    state_add_joined(world->state, 2, 1);
}

static void show_beyond_the_joined(struct world *world)
{
    state_add_feed_item(world->state, &(struct state_feed_item){.user = 1, .post = 2, .subreddit = 2});
}

static void show_twice(struct world *world)
{
    state_add_feed_item(world->state, &(struct state_feed_item){.user = 1, .post = 1, .subreddit = 1});
}

static void leave_out_of_a_feed(struct world *world)
{
    world->state->feed_count--;
}

static void leave_out_of_a_list(struct world *world)
{
    world->state->user_comment_count--;
}

static void add_to_a_list(struct world *world)
{
    state_add_user_post(world->state, 1, 2);
}

static void hide_a_message_from_the_recipient(struct world *world)
{
    world->state->message_count--;
}

static void lose_a_message(struct world *world)
{
    world->state->message_count = 0;
}

static void show_a_message_to_a_third(struct world *world)
{
    state_add_user(world->state,
                   &(struct state_user){.id = 3, .found_by_name = 3, .name = "Eve", .messages_read = true});
    state_add_message(
        world->state,
        &(struct state_message){
            .reader = 3, .id = 1, .from = 1, .to = 2, .text_hash = record_text_hash("", "Hello")});
}

static void lose_a_subreddit(struct world *world)
{
    free((char *)world->state->subreddits[0].name); /* sub_2 */
    world->state->subreddits[0] = world->state->subreddits[--world->state->subreddit_count];
}

static void list_subreddit_twice(struct world *world)
{
    state_add_subreddit(world->state,
                        &(struct state_subreddit){.id = 2, .creator = 2, .name = "hoppy", .member_count = 1});
}

static void list_comment_twice(struct world *world)
{
    struct state_comment again = world->state->comments[0]; /* the list may move */

    state_add_comment(world->state, &again);
}

static void show_a_message_twice(struct world *world)
{
    struct state_message again = world->state->messages[0];

    state_add_message(world->state, &again);
}

static void create_a_subreddit_though_refused(struct world *world)
{
    struct record_item item = {.kind = ID_SUBREDDIT, .name = "denied", .author = 1};

    record_item(world->record, OUTCOME_FAILED, &item);
    state_add_subreddit(world->state, &(struct state_subreddit){.id = 3, .creator = 1, .name = "denied"});
}

static void register_though_refused(struct world *world)
{
    record_item(world->record, OUTCOME_FAILED, &(struct record_item){.kind = ID_USER, .name = "Mallory"});
    state_add_user(world->state, &(struct state_user){.id = 3, .found_by_name = 3, .name = "Mallory"});
}

static void post_though_refused(struct world *world)
{
    struct record_item item = {
        .kind = ID_POST, .author = 1, .container = 1, .text_hash = record_text_hash("No", "")};

    record_item(world->record, OUTCOME_FAILED, &item);
    state_add_post(world->state,
                   &(struct state_post){
                       .id = 3, .author = 1, .subreddit = 1, .listed_in = 1, .text_hash = item.text_hash});
}

static void send_though_refused(struct world *world)
{
    struct record_item item = {
        .kind = ID_MESSAGE, .author = 1, .container = 2, .text_hash = record_text_hash("", "No")};

    record_item(world->record, OUTCOME_FAILED, &item);
    state_add_message(
        world->state,
        &(struct state_message){.reader = 1, .id = 2, .from = 1, .to = 2, .text_hash = item.text_hash});
}

static void vote_though_refused(struct world *world)
{
    record_vote(world->record, OUTCOME_FAILED, 1, ID_POST, 2, VOTE_UP);
    world->state->posts[1].upvotes = 1;
    world->state->posts[1].score = 1;
}

static void join_though_refused(struct world *world)
{
    record_member(world->record, OUTCOME_FAILED, 1, 2, MEMBER_IN);
    state_add_joined(world->state, 1, 2);
}

static void write_what_nobody_asked_for(struct world *world)
{
    record_set_complete(world->record);
    state_add_post(world->state, &(struct state_post){
                                     .id = 3, .author = 1, .subreddit = 1, .listed_in = 1, .text_hash = 99});
}

static void miscount_comments_of_a_repost(struct world *world)
{
    world->state->posts[1].comment_count = -1;
}

static void leave_out_of_a_conversation(struct world *world)
{
    world->state->conversation_item_count--;
}

static void repeat_in_a_conversation(struct world *world)
{
    state_add_conversation_item(world->state, 0, 1);
}

static void answer_in_another_conversation(struct world *world)
{
    state_add_conversation_item(world->state, 0, 7);
}

static void turn_a_conversation_round(struct world *world)
{
    struct state_message earlier = world->state->messages[0];

    earlier.id = 2;
    state_add_message(world->state, &earlier);
    world->state->conversation_items[0].item = 2;
    state_add_conversation_item(world->state, 0, 1);
}

static void answer_nothing(struct world *world)
{
    state_add_trouble(world->state, "GET /x: timed out 0, no list");
}

static const struct {
    void (*plant)(struct world *world);
    const char *difference;
} faults[] = {
    {take_away_last_post, "post_2 was acknowledged and is not there"},
    {take_away_first_comment, "comment_1 is missing: ids run to comment_2"},
    {take_away_first_comment, "comment_1 was acknowledged and is not there"},
    {take_away_first_comment, "comment_2 answers comment_1, which is not there"},
    {list_post_twice, "post_2 is listed twice"},
    {do_a_post_twice,
     "post_3 is there, but was never acknowledged (of its like: 1 acknowledged, 0 without an answer)"},
    {do_a_repost_twice,
     "post_3 is there, but was never acknowledged (of its like: 1 acknowledged, 0 without an answer)"},
    {do_a_comment_twice,
     "comment_3 is there, but was never acknowledged (of its like: 1 acknowledged, 0 without an answer)"},
    {do_a_message_twice,
     "dm_2 is there, but was never acknowledged (of its like: 1 acknowledged, 0 without an answer)"},
    {do_what_was_refused,
     "comment_3 is there, but was never acknowledged (of its like: 0 acknowledged, 0 without an answer)"},
    {give_a_username_twice, "the user name aDA is there twice: user_1 and user_3"},
    {give_a_subreddit_name_twice, "the subreddit name Hoppy is there twice: sub_2 and sub_3"},
    {lose_a_user, "user_1 is missing: ids run to user_2"},
    {lose_a_user, "user_1 was acknowledged and is not there"},
    {lose_a_user, "post_1 is by user_1, who is not there"},
    {rename_a_user, "user_1 name is Eda, acknowledged was Ada"},
    {find_another_by_name, "user_1 is Ada by id, but by that name it is user_2"},
    {find_nobody_by_name, "user_2 is Bob by id, but by that name it is not found"},
    {miscount_comments, "post_1 comment_count is 3, its comments are 2"},
    {miscount_replies, "comment_1 reply_count is 0, its replies are 1"},
    {miscount_members, "sub_1 member_count is 5, its members are 2"},
    {miscount_post_karma, "user_1 post_karma is 2, the votes on their posts are 1"},
    {miscount_comment_karma, "user_2 comment_karma is 0, the votes on their comments are -1"},
    {miscount_karma, "user_1 karma is 7, its parts are 1 and 0"},
    {miscount_score, "post_1 score is 2, its votes are 1 up and 0 down"},
    {lose_a_vote, "post_1 upvotes are 0, acknowledged were 1"},
    {count_a_vote_twice, "comment_1 downvotes are 2, acknowledged were 1"},
    {change_a_text, "post_1 text is not what was acknowledged"},
    {change_an_author, "comment_2 author is user_2, acknowledged was user_1"},
    {move_a_post, "post_1 says it is in sub_1, but is listed in sub_2"},
    {deepen_a_comment, "comment_2 depth is 3, its parent's is 0"},
    {repost_a_repost, "post_3 is a repost of post_2, which is one itself"},
    {forget_a_membership, "user_2 joined sub_1, and is not in it"},
    {forget_a_membership, "sub_1 member_count is 2, its members are 1"},
    {add_a_membership, "user_1 is in sub_2, which they never joined"},
    {keep_one_who_left, "user_2 left sub_1, and is in it"},
    {join_twice, "user_2 lists sub_1 twice"},
    {show_beyond_the_joined, "the feed of user_1 holds post_2 of sub_2, which they did not join"},
    {show_twice, "the feed of user_1 holds post_1 twice"},
    {leave_out_of_a_feed, "the feed of user_2 lacks post_1 of sub_1, which they joined"},
    {leave_out_of_a_list, "the list of user_1 lacks their comment_2"},
    {add_to_a_list, "the list of user_1 holds post_2, which is not theirs"},
    {hide_a_message_from_the_recipient, "user_2 does not see dm_1, which is from user_1 to user_2"},
    {lose_a_message, "dm_1 was acknowledged and is not there"},
    {show_a_message_to_a_third, "user_3 sees dm_1, which is from user_1 to user_2"},
    {lose_a_subreddit, "sub_2 was acknowledged and is not there"},
    {list_subreddit_twice, "sub_2 is listed twice"},
    {list_comment_twice, "comment_1 is listed twice"},
    {show_a_message_twice, "user_1 sees dm_1 twice"},
    {create_a_subreddit_though_refused,
     "sub_3 is there, but was never acknowledged (of its like: 0 acknowledged, 0 without an answer)"},
    {register_though_refused,
     "user_3 is there, but was never acknowledged (of its like: 0 acknowledged, 0 without an answer)"},
    {post_though_refused,
     "post_3 is there, but was never acknowledged (of its like: 0 acknowledged, 0 without an answer)"},
    {send_though_refused,
     "dm_2 is there, but was never acknowledged (of its like: 0 acknowledged, 0 without an answer)"},
    {vote_though_refused, "post_2 upvotes are 1, acknowledged were 0"},
    {join_though_refused, "user_1 is in sub_2, which they never joined"},
    {write_what_nobody_asked_for, "post_3 is there, and nobody asked for it"},
    {miscount_comments_of_a_repost, "post_2 comment_count is -1, its comments are 0"},
    {leave_out_of_a_conversation, "the conversation of users 1 and 2 lacks dm_1"},
    {repeat_in_a_conversation, "the conversation of users 1 and 2 holds dm_1 twice"},
    {answer_in_another_conversation, "the conversation of users 1 and 2 holds dm_7, which is not of it"},
    {turn_a_conversation_round, "the conversation of users 1 and 2 shows dm_1 too late"},
    {answer_nothing, "GET /x: timed out 0, no list"},
};

Test(verify, names_each_planted_fault)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct world world = world_new();
        struct differences *differences;

        faults[i].plant(&world);
        differences = compare(world.record, world.state);
        if (!is_named(differences, faults[i].difference)) {
            differences_print(differences, stderr);
            cr_expect(false, "not named: %s", faults[i].difference);
        }
        differences_free(differences);
        world_free(&world);
    }
}

Test(verify, finds_nothing_in_a_complete_record_that_agrees)
{
    struct world world = world_new();
    struct differences *differences;

    record_set_complete(world.record);
    differences = compare(world.record, world.state);
    differences_print(differences, stderr);
    cr_expect_eq(differences_count(differences), 0);
    differences_free(differences);
    world_free(&world);
}

/* ---- outcomes that are not known ---- */

static size_t differences_after(const struct world *world)
{
    struct differences *differences = compare(world->record, world->state);
    size_t count = differences_count(differences);

    differences_print(differences, stderr);
    differences_free(differences);
    return count;
}

static void ask_without_an_answer(struct world *world)
{
    struct record_item item = {
        .kind = ID_MESSAGE, .author = 1, .container = 2, .text_hash = record_text_hash("", "Lost")};

    record_item(world->record, OUTCOME_UNKNOWN, &item);
}

static void show_the_unanswered(struct world *world, uint64_t id)
{
    for (uint64_t reader = 1; reader <= 2; reader++) {
        state_add_message(
            world->state,
            &(struct state_message){
                .reader = reader, .id = id, .from = 1, .to = 2, .text_hash = record_text_hash("", "Lost")});
    }
    state_add_conversation_item(world->state, 0, id);
}

Test(verify, allows_none_and_one_effect_of_an_unknown_outcome_but_not_two)
{
    struct world world = world_new();

    ask_without_an_answer(&world);
    cr_expect_eq(differences_after(&world), 0);
    show_the_unanswered(&world, 2);
    cr_expect_eq(differences_after(&world), 0);
    show_the_unanswered(&world, 3);
    cr_expect_eq(differences_after(&world), 1);
    world_free(&world);
}

Test(verify, allows_an_unknown_vote_to_count_or_not)
{
    struct world world = world_new();

    record_vote(world.record, OUTCOME_UNKNOWN, 1, ID_POST, 1, VOTE_UP);
    cr_expect_eq(differences_after(&world), 0);
    world.state->posts[0].upvotes = 2;
    world.state->posts[0].score = 2;
    world.state->users[0].post_karma = 2;
    world.state->users[0].karma = 2;
    cr_expect_eq(differences_after(&world), 0);
    world.state->posts[0].upvotes = 3;
    cr_expect_gt(differences_after(&world), 0);
    world_free(&world);
}

Test(verify, holds_an_unknown_vote_possible_even_after_a_later_one)
{
    struct world world = world_new();

    record_vote(world.record, OUTCOME_UNKNOWN, 2, ID_POST, 1, VOTE_NONE);
    record_vote(world.record, OUTCOME_OK, 2, ID_POST, 1, VOTE_UP);
    world.state->posts[0].upvotes = 0;
    world.state->posts[0].score = 0;
    world.state->users[0].post_karma = 0;
    world.state->users[0].karma = 0;
    cr_expect_eq(differences_after(&world), 0);
    world_free(&world);
}

Test(verify, allows_an_unknown_join_to_be_true_or_not)
{
    struct world world = world_new();

    record_member(world.record, OUTCOME_UNKNOWN, 1, 2, MEMBER_IN);
    cr_expect_eq(differences_after(&world), 0);
    state_add_joined(world.state, 1, 2);
    world.state->subreddits[0].member_count = 2;
    state_add_feed_item(world.state, &(struct state_feed_item){.user = 1, .post = 2, .subreddit = 2});
    cr_expect_eq(differences_after(&world), 0);
    world_free(&world);
}

/* ---- others on the same server ---- */

Test(verify, does_not_mind_what_others_made)
{
    struct world world = world_new();

    state_add_user(world.state, &(struct state_user){.id = 3, .found_by_name = 3, .name = "Eve"});
    state_add_joined(world.state, 3, 1);
    world.state->subreddits[1].member_count = 3;
    state_add_post(world.state, &(struct state_post){.id = 3,
                                                     .author = 3,
                                                     .subreddit = 1,
                                                     .listed_in = 1,
                                                     .text_hash = 99,
                                                     .downvotes = 1,
                                                     .score = -1});
    world.state->users[2].post_karma = -1;
    world.state->users[2].karma = -1;
    state_add_feed_item(world.state, &(struct state_feed_item){.user = 1, .post = 3, .subreddit = 1});
    state_add_feed_item(world.state, &(struct state_feed_item){.user = 2, .post = 3, .subreddit = 1});
    cr_expect_eq(differences_after(&world), 0);
    world_free(&world);
}

Test(verify, does_not_mind_the_like_of_its_own_from_before_it_began)
{
    struct record *record = record_new();
    struct record_item item = {
        .kind = ID_POST, .id = 2, .author = 1, .container = 1, .text_hash = 5, .own = true};
    struct state *state = state_new();
    struct differences *differences;

    record_item(record, OUTCOME_OK, &item);
    state_add_user(state, &(struct state_user){.id = 1, .found_by_name = 1, .name = "Ada"});
    state_add_subreddit(
        state, &(struct state_subreddit){.id = 1, .creator = 1, .name = "lovely", .member_count = 1});
    state_add_joined(state, 1, 1);
    for (uint64_t id = 1; id <= 2; id++) {
        state_add_post(state, &(struct state_post){
                                  .id = id, .author = 1, .subreddit = 1, .listed_in = 1, .text_hash = 5});
    }
    differences = compare(record, state);
    cr_expect_eq(differences_count(differences), 0);
    differences_free(differences);
    state_free(state);
    record_free(record);
}

/* ---- the record's file ---- */

static void expect_file_refused(const char *line)
{
    char path[] = "/tmp/sim_verify_test_XXXXXX";
    int fd = mkstemp(path);
    struct record *record = record_new();
    size_t line_number;

    cr_assert_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    close(fd);
    cr_expect_not(record_load_file(record, path, &line_number), "%s", line);
    cr_expect_eq(line_number, 1, "%s", line);
    unlink(path);
    record_free(record);
}

Test(record, read_from_its_file_judges_as_the_one_that_wrote_it)
{
    char path[] = "/tmp/sim_verify_test_XXXXXX";
    int fd = mkstemp(path);
    struct record *writer = record_new();
    struct world world = {record_new(), state_new()};
    struct record_item lost = {.kind = ID_COMMENT, .author = 1, .container = 1, .text_hash = 77};
    struct record_expected expected;
    size_t line_number;

    close(fd);
    cr_assert(record_open_file(writer, path));
    fill_record(writer);
    record_item(writer, OUTCOME_UNKNOWN, &lost);
    record_vote(writer, OUTCOME_UNKNOWN, 1, ID_COMMENT, 2, VOTE_UP);
    record_member(writer, OUTCOME_OK, 1, 2, MEMBER_IN);
    record_member(writer, OUTCOME_OK, 1, 2, MEMBER_OUT);
    cr_assert(record_flush(writer));
    record_free(writer);

    cr_assert(record_load_file(world.record, path, &line_number), "line %zu", line_number);
    unlink(path);
    fill_state(world.state);
    cr_expect_eq(differences_after(&world), 0);
    cr_assert(record_expected(world.record, &lost, &expected));
    cr_expect_eq(expected.unknown, 1);
    cr_expect_eq(record_member_state(world.record, 1, 2), MEMBER_OUT);
    cr_expect_eq(record_count(world.record, ID_COMMENT), 2);
    cr_expect(record_find(world.record, ID_USER, 1)->own);
    lose_a_vote(&world);
    cr_expect_gt(differences_after(&world), 0);
    world_free(&world);
}

Test(record, refuses_a_file_with_a_line_that_is_none_and_names_it)
{
    expect_file_refused("{\"what\":\"post\",\"outcome\":\"ok\",\"id\":\"comment_1\"}\n");
    expect_file_refused("{\"what\":\"post\",\"outcome\":\"great\",\"id\":\"post_1\"}\n");
    expect_file_refused("{\"what\":\"vote\",\"outcome\":\"ok\",\"user\":\"user_1\",\"target\":\"post_1\","
                        "\"value\":\"up\"}\n");
    expect_file_refused(
        "{\"what\":\"member\",\"outcome\":\"ok\",\"user\":\"user_1\",\"subreddit\":\"sub_1\"}\n");
    expect_file_refused("[]\n");
    expect_file_refused("{\"what\":\"po\n");
}

Test(record, makes_an_adopted_user_its_own_only_if_another_file_says_so)
{
    struct record *record = record_new();
    struct record_item item = {.kind = ID_USER, .id = 4, .name = "Ada"};

    record_item(record, OUTCOME_OK, &item);
    cr_expect_not(record_find(record, ID_USER, 4)->own);
    cr_expect_eq(record_first_own(record, ID_USER), 0);
    item.own = true;
    record_item(record, OUTCOME_OK, &item);
    cr_expect(record_find(record, ID_USER, 4)->own);
    cr_expect_eq(record_count(record, ID_USER), 1);
    record_free(record);
}
