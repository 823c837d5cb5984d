/* What most tests need first. Each fails the test unless the server says 201 (200 for votes and the like);
 * returns the new id. */
#pragma once

#include "common/attributes.h"
#include "tests/lib/forum.h"

/* "PREFIX_" and something that no other test of this server uses; fits a username and a subreddit's name. */
const char *make_name(const char *prefix) MUST_USE;

const char *make_user(const struct forum *forum); /* of a name of its own */
/* With a token; `password` NULL: without one. */
struct made_user {
    const char *id, *name, *token;
    const char *headers; /* "Authorization: Bearer ...\r\n" */
};
struct made_user make_account(const struct forum *forum, const char *password) MUST_USE;
struct made_user make_account_named(const struct forum *forum, const char *name,
                                    const char *password) MUST_USE;
const char *make_bearer(const char *token) MUST_USE; /* that header line */
const char *make_user_named(const struct forum *forum, const char *name);
const char *make_subreddit(const struct forum *forum, const char *creator);
const char *make_subreddit_named(const struct forum *forum, const char *creator, const char *name);
const char *make_post(const struct forum *forum, const char *subreddit, const char *author,
                      const char *title);
/* `parent` NULL: a top-level one. */
const char *make_comment(const struct forum *forum, const char *post, const char *author, const char *parent,
                         const char *content);
const char *make_message(const struct forum *forum, const char *from, const char *to, const char *content);
/* `id` is a post's or a comment's; `vote`: "upvote", "downvote", "none". */
void make_vote(const struct forum *forum, const char *id, const char *user, const char *vote);
void make_member(const struct forum *forum, const char *subreddit, const char *user);
