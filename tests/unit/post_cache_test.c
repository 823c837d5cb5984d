#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "engined/posts/post_cache.h"

static Pb__Post example(uint64_t id)
{
    Pb__Post post = PB__POST__INIT;
    post.has_post_id = post.has_upvotes = post.has_my_vote = true;
    post.post_id = id;
    post.title = (char *)"title";
    post.content = (char *)"content";
    post.author_username = (char *)"ann";
    post.subreddit_name = (char *)"cats";
    post.signature = (char *)"signature";
    post.author_key = (char *)"key";
    post.my_vote = PB__VOTE_TYPE__upvote;
    return post;
}

Test(post_cache, gives_copies_without_anybodys_vote)
{
    struct post_cache *cache = post_cache_new(1 << 20);
    struct arena *arena = arena_new();
    Pb__Post post = example(7);
    char title[] = "mine";
    post.title = title;
    post_cache_put(cache, &post);
    title[0] = 'x';
    Pb__Post *copy = post_cache_copy(cache, 7, arena);
    cr_assert_not_null(copy);
    post_cache_drop_all(cache);
    cr_assert_eq(copy->post_id, 7);
    cr_assert_str_eq(copy->title, "mine");
    cr_assert_str_eq(copy->content, "content");
    cr_assert_str_eq(copy->author_username, "ann");
    cr_assert_str_eq(copy->subreddit_name, "cats");
    cr_assert_str_eq(copy->signature, "signature");
    cr_assert_str_eq(copy->author_key, "key");
    cr_assert_null(copy->url);
    cr_assert(!copy->has_my_vote && copy->my_vote == PB__VOTE_TYPE__none);
    cr_assert_null(post_cache_copy(cache, 7, arena));
    cr_assert_null(post_cache_peek(cache, 7));
    arena_free(arena);
    post_cache_free(cache);
}

Test(post_cache, follows_votes_and_comments_of_what_it_keeps)
{
    struct post_cache *cache = post_cache_new(1 << 20);
    Pb__Post post = example(7);
    post_cache_put(cache, &post);
    post_cache_set_votes(cache, 7, 2, 5);
    post_cache_set_votes(cache, 8, 9, 9);
    post_cache_add_comments(cache, 7, 3);
    post_cache_add_comments(cache, 7, 1);
    post_cache_add_comments(cache, 8, 1);
    const Pb__Post *kept = post_cache_peek(cache, 7);
    cr_assert_not_null(kept);
    cr_assert(kept->upvotes == 2 && kept->downvotes == 5 && kept->score == -3);
    cr_assert_eq(kept->comment_count, 4);
    cr_assert_null(post_cache_peek(cache, 8));
    post_cache_put(cache, &post); /* read before the votes: what is kept knows better */
    cr_assert_eq(post_cache_peek(cache, 7)->upvotes, 2);
    post_cache_free(cache);
}

Test(post_cache, tells_posts_of_one_bucket_apart)
{
    struct post_cache *cache = post_cache_new(1 << 20);
    static const uint64_t far = 1ull << 32;
    for (uint64_t i = 0; i < 5; i++) {
        Pb__Post post = example(3 + i * far);
        post_cache_put(cache, &post);
        post_cache_set_votes(cache, post.post_id, i, 0);
    }
    for (uint64_t i = 0; i < 5; i++)
        cr_assert_eq(post_cache_peek(cache, 3 + i * far)->upvotes, i);
    cr_assert_null(post_cache_peek(cache, 3 + 5 * far));
    post_cache_free(cache);
}

Test(post_cache, stays_within_its_bound_and_drops_what_was_used_least_recently)
{
    struct post_cache *cache = post_cache_new(100000);
    char *text = calloc(1, 10001);
    memset(text, 'x', 10000);
    Pb__Post post = example(1);
    post.content = text;
    for (uint64_t id = 1; id <= 50; id++) {
        post.post_id = id;
        post_cache_put(cache, &post);
        cr_assert_not_null(post_cache_peek(cache, 1), "used just before, yet dropped at %d", (int)id);
    }
    unsigned kept = 0;
    for (uint64_t id = 1; id <= 50; id++)
        kept += post_cache_peek(cache, id) != NULL;
    cr_assert(kept >= 8 && kept <= 9, "%u of 10 kB in 100 kB", kept);
    for (uint64_t id = 46; id <= 50; id++)
        cr_assert_not_null(post_cache_peek(cache, id));
    free(text);
    post_cache_free(cache);
}

Test(post_cache, does_not_keep_what_is_larger_than_its_bound)
{
    struct post_cache *cache = post_cache_new(600);
    char text[1001] = {0};
    memset(text, 'x', 1000);
    Pb__Post small = example(1), large = example(2);
    large.content = text;
    post_cache_put(cache, &small);
    post_cache_put(cache, &large);
    cr_assert_null(post_cache_peek(cache, 2));
    cr_assert_not_null(post_cache_peek(cache, 1));
    post_cache_free(cache);
}
