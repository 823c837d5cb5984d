/*
 * Signed posts: what their authors sign, whether it verifies, and which posts of an answer carry a signature.
 * Sends nothing (request_signed.c does). Worker's thread only.
 *
 * Signed is "forumd-post-v1" and then, each as a netstring (its length in bytes as decimal, ':', the bytes,
 * ','): author_id, subreddit_id, title, content and signed_at - ids as the contract shows them ("user_17"),
 * title and content as they are stored and shown (the title without white space at its ends, a content that
 * is absent as ""), signed_at as decimal ms. The url is not signed.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/known_keys.h"
#include "proto/posts.pb-c.h"
#include "proto/schema.h"
#include "proto/status.h"
#include "proto/users.pb-c.h"

#define SIGNED_POST_DOMAIN "forumd-post-v1"

/* Verdicts remembered (bounded), so that what is read often is not verified each time. */
struct signed_posts;

struct signed_posts *signed_posts_new(void) MUST_USE;
void signed_posts_free(struct signed_posts *signed_posts);

/* Whether the message asks to create a signed post. */
bool signed_post_is_request(const ProtobufCMessage *message) MUST_USE;
/* Whether the author, who has this key, signed that; puts the key into the request then. STATUS_OK, or why
 * nothing may be stored. */
enum status signed_post_admit(struct signed_posts *signed_posts, Pb__PostsCreate *request, uint64_t author,
                              const struct public_key *key) MUST_USE;

/* The posts in an answer of this type; *count of them, 0 if it is of another. Of a single post `one` becomes
 * the list. */
Pb__Post *const *signed_post_list(const struct schema_message *schema, const ProtobufCMessage *message,
                                  Pb__Post **one, size_t *count) MUST_USE;
/* The authors of those that carry a signature, each once; returns how many, `max` at most. */
size_t signed_post_authors(Pb__Post *const *posts, size_t count, uint64_t *authors, size_t max) MUST_USE;
/* Sets signature_verified of a post. `key` is its author's, NULL when the users engine does not say: then the
 * key that the post was made with stands for it. */
void signed_post_judge(struct signed_posts *signed_posts, Pb__Post *post, const struct public_key *key);
