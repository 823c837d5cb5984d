/* Lists page by page: Link to the end, totals, and cursors that hold while others write. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"

#define IDS_MAX 512

static struct forum *forum;

static void attach(void)
{
    forum = forum_attach();
}

TestSuite(pages, .init = attach);
TestSuite(cursor, .init = attach);
TestSuite(own_writes, .init = attach);

struct ids {
    const char *ids[IDS_MAX];
    size_t count, pages;
};

static const char *next_of(const struct reply *page)
{
    const char *link = http_header(page, "Link");
    if (!link)
        return NULL;
    const char *end = strchr(link, '>');
    cr_assert(link[0] == '<' && end && strcmp(end, ">; rel=\"next\"") == 0, "Link: %s", link);
    const char *path = keep_copy(link + 1, (size_t)(end - link - 1));
    cr_assert(path[0] == '/', "Link: %s", link);
    return path;
}

static size_t add_page(struct ids *all, const struct reply *page, const char *field)
{
    CHECK_OK(page);
    size_t count = json_count(page, "");
    for (size_t i = 0; i < count && all->count < IDS_MAX; i++)
        all->ids[all->count++] = json_text(page, keep_format("%zu.%s", i, field));
    all->pages++;
    return count;
}

/* All pages, one behind the other. */
static struct ids walk(const char *path, const char *field)
{
    struct ids all = {.count = 0};
    while (path) {
        struct reply *page = forum_get(forum, "%s", path);
        add_page(&all, page, field);
        path = next_of(page);
        cr_assert_lt(all.pages, 200, "the pages never end");
    }
    return all;
}

static size_t times_in(const struct ids *all, const char *id)
{
    size_t times = 0;
    for (size_t i = 0; i < all->count; i++)
        times += strcmp(all->ids[i], id) == 0;
    return times;
}

static void check_each_once(const struct ids *all, const struct ids *expected, const char *path)
{
    for (size_t i = 0; i < expected->count; i++)
        cr_assert_eq(times_in(all, expected->ids[i]), 1, "%s: %s came %zu times", path, expected->ids[i],
                     times_in(all, expected->ids[i]));
}

struct world {
    const char *user, *other, *subreddit, *post;
    struct ids posts, comments, messages;
};

static void make_comments(struct world *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *parent = i % 3 == 0 ? NULL : world->comments.ids[rand() % (int)i];
        const char *id = make_comment(forum, world->post, world->user, parent, "Comment");
        world->comments.ids[world->comments.count++] = id;
        if (i % 4 == 0)
            make_vote(forum, id, i % 8 ? world->user : world->other, i % 16 ? "upvote" : "downvote");
    }
}

static struct world make_world(size_t count)
{
    struct world world = {.user = make_user(forum), .other = make_user(forum)};
    srand(4711);
    world.subreddit = make_subreddit(forum, world.user);
    for (size_t i = 0; i < count; i++) {
        const char *id = make_post(forum, world.subreddit, world.user, "Post");
        world.posts.ids[world.posts.count++] = id;
        if (i % 3 == 0)
            make_vote(forum, id, i % 2 ? world.user : world.other, i % 9 ? "upvote" : "downvote");
    }
    world.post = world.posts.ids[0];
    return world;
}

Test(pages, of_posts_lead_to_the_end_under_every_sort)
{
    static const char *const sorts[] = {"hot", "new", "top", "controversial", "rising", "best"};
    struct world world = make_world(23);
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
        const char *const paths[] = {
            keep_format("/api/subreddits/%s/posts?sort=%s&limit=4", world.subreddit, sorts[i]),
            keep_format("/api/feed/%s?limit=4&sort=%s", world.user, sorts[i])};
        for (size_t j = 0; j < ARRAY_LEN(paths); j++) {
            struct ids all = walk(paths[j], "post_id");
            cr_assert_eq(all.count, world.posts.count, "%s: %zu", paths[j], all.count);
            cr_assert_eq(all.pages, 6, "%s: %zu pages", paths[j], all.pages);
            check_each_once(&all, &world.posts, paths[j]);
        }
    }
    const char *theirs = keep_format("/api/users/%s/posts?limit=5", world.user);
    struct ids all = walk(theirs, "post_id");
    cr_assert_eq(all.count, world.posts.count);
    check_each_once(&all, &world.posts, theirs);
}

Test(pages, are_the_same_items_in_the_same_order_as_one_large_page)
{
    static const char *const sorts[] = {"best", "top", "new", "old", "controversial"};
    struct world world = make_world(1);
    make_comments(&world, 40);
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
        const char *path = keep_format("/api/posts/%s/comments?sort=%s", world.post, sorts[i]);
        struct ids whole = walk(keep_format("%s&limit=100", path), "comment_id");
        struct ids parts = walk(keep_format("%s&limit=7", path), "comment_id");
        cr_assert_eq(whole.count, 40);
        cr_assert_eq(parts.count, 40, "%s: %zu", path, parts.count);
        for (size_t j = 0; j < whole.count; j++)
            cr_assert_str_eq(parts.ids[j], whole.ids[j], "%s: at %zu", path, j);
    }
}

Test(pages, tell_the_number_of_all)
{
    struct world world = make_world(7);
    struct reply *reply = forum_get(forum, "/api/users/%s/posts?limit=3", world.user);
    const char *total = http_header(reply, "X-Total-Count");
    cr_assert(!total || strcmp(total, "7") == 0, "X-Total-Count: %s", total);
    cr_assert(http_header(reply, "Link"));
    reply = forum_get(forum, "/api/users/%s/posts?limit=7", world.user);
    cr_assert(!http_header(reply, "Link"), "a Link to nothing: %s", http_header(reply, "Link"));
}

Test(pages, of_messages_lead_to_the_end)
{
    struct world world = make_world(1);
    for (int i = 0; i < 11; i++)
        world.messages.ids[world.messages.count++] = i % 2
                                                         ? make_message(forum, world.user, world.other, "M")
                                                         : make_message(forum, world.other, world.user, "M");
    const char *const paths[] = {keep_format("/api/dm/user/%s?limit=3", world.user),
                                 keep_format("/api/dm/conversation/%s/%s?limit=3", world.other, world.user)};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct ids all = walk(paths[i], "message_id");
        cr_assert_eq(all.count, 11);
        check_each_once(&all, &world.messages, paths[i]);
    }
}

Test(pages, of_subreddits_lead_to_the_end_under_every_sort)
{
    static const char *const sorts[] = {"popular", "new", "name"};
    const char *user = make_user(forum);
    struct ids mine = {.count = 0};
    for (int i = 0; i < 9; i++)
        mine.ids[mine.count++] = make_subreddit(forum, user);
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
        const char *path = keep_format("/api/subreddits?limit=2&sort=%s", sorts[i]);
        struct ids all = walk(path, "subreddit_id");
        check_each_once(&all, &mine, path);
    }
}

/* Writes into the same subreddit until told to stop. A thread: the test's helpers for making things are not
 * for it. */
struct writer {
    unsigned port;
    const char *body;
    atomic_bool stop;
    atomic_uint written;
};

static void *write_on(void *arg)
{
    struct writer *writer = arg;
    while (!atomic_load(&writer->stop)) {
        struct connection *connection = http_open(writer->port);
        bool sent = http_write(connection, writer->body, strlen(writer->body));
        struct reply *reply = http_read(connection, false);
        http_close(connection);
        if (!sent || reply->status != 201)
            break;
        atomic_fetch_add(&writer->written, 1);
    }
    return NULL;
}

Test(cursor, shows_what_was_there_throughout_exactly_once_while_others_write)
{
    static const char *const sorts[] = {"hot", "new", "top", "best"};
    struct world world = make_world(30);
    const char *body =
        json_body("{'subreddit_id':'%s','author_id':'%s','title':'Meanwhile'}", world.subreddit, world.other);
    struct writer writer = {
        .port = forum_port(forum),
        .body =
            keep_format("POST /api/posts/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
                        "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(body), body),
    };
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, write_on, &writer) == 0);
    for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
        const char *path = keep_format("/api/subreddits/%s/posts?sort=%s&limit=3", world.subreddit, sorts[i]);
        struct ids all = walk(path, "post_id");
        check_each_once(&all, &world.posts, path);
    }
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    cr_assert_gt(atomic_load(&writer.written), 0);
}

Test(cursor, of_a_list_is_of_no_use_for_another)
{
    struct world world = make_world(5);
    struct reply *page = forum_get(forum, "/api/subreddits/%s/posts?sort=top&limit=2", world.subreddit);
    const char *next = next_of(page);
    cr_assert(next);
    const char *after = strstr(next, "after=");
    cr_assert(after, "no after in %s", next);
    after = keep_copy(after + 6, strcspn(after + 6, "&"));
    CHECK_PROBLEM(forum_get(forum, "/api/subreddits/%s/posts?sort=new&after=%s", world.subreddit, after), 400,
                  NULL);
    static const char *const rubbish[] = {"x", "AAAA", "%ff", "....", "bm90IGEgY3Vyc29y"};
    for (size_t i = 0; i < ARRAY_LEN(rubbish); i++)
        CHECK_PROBLEM(forum_get(forum, "/api/subreddits/%s/posts?after=%s", world.subreddit, rubbish[i]), 400,
                      NULL);
}

Test(own_writes, are_seen_by_the_next_request_through_any_worker)
{
    const char *user = make_user(forum), *subreddit = make_subreddit(forum, user);
    for (int i = 0; i < 25; i++) {
        const char *post = make_post(forum, subreddit, user, "Mine");
        CHECK_OK(forum_get(forum, "/api/posts/%s", post));
        CHECK_TEXT(forum_get(forum, "/api/subreddits/%s/posts?sort=new", subreddit), "0.post_id", post);
        make_vote(forum, post, user, i % 2 ? "upvote" : "downvote");
        CHECK_NUMBER(forum_get(forum, "/api/posts/%s", post), "score", i % 2 ? 1 : -1);
        const char *comment = make_comment(forum, post, user, NULL, "Mine");
        CHECK_TEXT(forum_get(forum, "/api/posts/%s/comments", post), "0.comment_id", comment);
        const char *late = make_user(forum);
        make_member(forum, subreddit, late);
        CHECK_TEXT(forum_get(forum, "/api/users/%s", late), "joined_subreddits.0", subreddit);
        struct reply *feed = forum_get(forum, "/api/feed/%s?sort=new", late);
        cr_assert(http_header(feed, "X-Feed-Stale") || (int)json_count(feed, "") == (i < 24 ? i + 1 : 25),
                  "%s", http_describe(feed));
    }
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true, .spec = {.workers = 4}});
}
