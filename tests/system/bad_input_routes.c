#include "tests/system/bad_input.h"

#include "common/attributes.h"

static const char *const wrong_usernames[] = {"a b c",  "a.bc", "\xc3\xa4\xc3\xa4\xc3\xa4",
                                              "abc\\n", "abc/", NULL};
static const char *const wrong_names[] = {"_abc", "a-bc", "a bc", "\xc3\xa4\xc3\xa4\xc3\xa4", "abc\\n", NULL};
static const char *const wrong_urls[] = {"x",        "ftp://x.org/", "http://",     "javascript:alert(1)",
                                         "http:///", "http://a b/",  "http://a\\n", NULL};

#define USER(field_name, value)                                                                              \
    {                                                                                                        \
        .name = field_name, .kind = BAD_ID, .valid = value, .required = true, .missing = "user_999999",      \
        .missing_code = "user_not_found"                                                                     \
    }
#define SUBREDDIT                                                                                            \
    {                                                                                                        \
        .name = "subreddit_id", .kind = BAD_ID, .valid = "sub_1", .required = true, .missing = "sub_999999", \
        .missing_code = "subreddit_not_found"                                                                \
    }
#define VOTE                                                                                                 \
    {                                                                                                        \
        .name = "vote_type", .kind = BAD_WORD, .valid = "upvote", .required = true                           \
    }
#define REFUSED(field_name)                                                                                  \
    {                                                                                                        \
        .name = field_name, .kind = BAD_REFUSED                                                              \
    }
#define LIMIT                                                                                                \
    {                                                                                                        \
        .name = "limit", .kind = BAD_NUMBER, .min = 1, .max = 100                                            \
    }
#define AFTER                                                                                                \
    {                                                                                                        \
        .name = "after", .kind = BAD_CURSOR                                                                  \
    }
#define WORD(field_name)                                                                                     \
    {                                                                                                        \
        .name = field_name, .kind = BAD_WORD                                                                 \
    }
#define NO_USER(path_with_it)                                                                                \
    {                                                                                                        \
        .path = path_with_it, .code = "user_not_found"                                                       \
    }
#define NO_POST(path_with_it)                                                                                \
    {                                                                                                        \
        .path = path_with_it, .code = "post_not_found"                                                       \
    }
#define NO_COMMENT(path_with_it)                                                                             \
    {                                                                                                        \
        .path = path_with_it, .code = "comment_not_found"                                                    \
    }
#define NO_SUB(path_with_it)                                                                                 \
    {                                                                                                        \
        .path = path_with_it, .code = "subreddit_not_found"                                                  \
    }

const struct bad_route bad_routes[] = {
    {"GET", "/", .pattern = NULL},
    {"GET", "/health", .pattern = NULL},
    {"GET", "/ready", .pattern = NULL},
    {"GET", "/metrics", .pattern = NULL},
    {"GET", "/openapi.json", .pattern = NULL},
    {"POST", "/api/auth/register",
     .fields = {{.name = "username",
                 .kind = BAD_TEXT,
                 .valid = "newcomer",
                 .required = true,
                 .min = 3,
                 .max = 20,
                 .wrong = wrong_usernames},
                {.name = "password", .kind = BAD_TEXT, .min = 10, .max = 128},
                {.name = "public_key", .kind = BAD_TEXT, .min = 1, .max = 1000},
                WORD("key_algorithm")}},
    {"POST", "/api/auth/login",
     .fields = {{.name = "username", .kind = BAD_TEXT, .valid = "ann", .required = true, .any_length = true},
                {.name = "password", .kind = BAD_TEXT, .valid = BAD_PASSWORD, .required = true, .max = 128}}},
    {"POST", "/api/auth/password", .token = true,
     .fields = {{.name = "old_password", .kind = BAD_TEXT, .valid = BAD_PASSWORD, .max = 128},
                {.name = "new_password",
                 .kind = BAD_TEXT,
                 .valid = "another horse",
                 .required = true,
                 .min = 10,
                 .max = 128}}},
    {"POST", "/api/auth/renew", .token = true},
    {"POST", "/api/auth/logout", .token = true},
    {"GET", "/api/auth/user/ann",
     .missing = {NO_USER("/api/auth/user/nobody"), NO_USER("/api/auth/user/%20")}},
    {"GET", "/api/users/user_1", .pattern = "/api/users/%s", .missing = {NO_USER("/api/users/user_999999")}},
    {"GET", "/api/users/user_1/public-key", .pattern = "/api/users/%s/public-key",
     .missing = {NO_USER("/api/users/user_999999/public-key")}},
    {"GET", "/api/users/user_1/posts", .pattern = "/api/users/%s/posts",
     .missing = {NO_USER("/api/users/user_999999/posts")}, .fields = {LIMIT, AFTER}},
    {"GET", "/api/users/user_1/comments", .pattern = "/api/users/%s/comments",
     .missing = {NO_USER("/api/users/user_999999/comments")}, .fields = {LIMIT, AFTER}},
    {"GET", "/api/subreddits", .fields = {LIMIT, AFTER, WORD("sort")}},
    {"POST", "/api/subreddits/create",
     .fields = {{.name = "name",
                 .kind = BAD_TEXT,
                 .valid = "newcomers",
                 .required = true,
                 .min = 3,
                 .max = 21,
                 .wrong = wrong_names},
                {.name = "description", .kind = BAD_TEXT, .valid = "About", .max = 500},
                USER("creator_id", "user_1")}},
    {"GET", "/api/subreddits/sub_1", .pattern = "/api/subreddits/%s",
     .missing = {NO_SUB("/api/subreddits/sub_999999")}},
    {"GET", "/api/r/cats", .missing = {NO_SUB("/api/r/dogs"), NO_SUB("/api/r/_")}},
    {"POST", "/api/subreddits/sub_1/join", .pattern = "/api/subreddits/%s/join",
     .missing = {NO_SUB("/api/subreddits/sub_999999/join")}, .fields = {USER("user_id", "user_2")}},
    {"POST", "/api/subreddits/sub_1/leave", .pattern = "/api/subreddits/%s/leave",
     .missing = {NO_SUB("/api/subreddits/sub_999999/leave")}, .fields = {USER("user_id", "user_1")}},
    {"GET", "/api/subreddits/sub_1/posts", .pattern = "/api/subreddits/%s/posts",
     .missing = {NO_SUB("/api/subreddits/sub_999999/posts")},
     .fields = {LIMIT, AFTER, WORD("sort"), WORD("t")}},
    {"POST", "/api/posts/create",
     .fields = {SUBREDDIT,
                USER("author_id", "user_1"),
                {.name = "title", .kind = BAD_TEXT, .valid = "Title", .required = true, .min = 1, .max = 300},
                {.name = "content", .kind = BAD_TEXT, .valid = "Content", .max = 40000},
                {.name = "url", .kind = BAD_TEXT, .valid = "http://x.org/", .max = 2048, .wrong = wrong_urls},
                {.name = "signature", .kind = BAD_TEXT, .min = 1, .max = 1000},
                WORD("signature_algorithm"),
                {.name = "signed_at", .kind = BAD_NUMBER}}},
    {"GET", "/api/posts/post_1", .pattern = "/api/posts/%s", .missing = {NO_POST("/api/posts/post_999999")}},
    {"POST", "/api/posts/post_1/vote", .pattern = "/api/posts/%s/vote",
     .missing = {NO_POST("/api/posts/post_999999/vote")}, .fields = {USER("user_id", "user_1"), VOTE}},
    {"POST", "/api/posts/post_1/repost", .pattern = "/api/posts/%s/repost",
     .missing = {NO_POST("/api/posts/post_999999/repost")},
     .fields = {USER("author_id", "user_1"), SUBREDDIT}},
    {"GET", "/api/posts/post_1/comments", .pattern = "/api/posts/%s/comments",
     .missing = {NO_POST("/api/posts/post_999999/comments"),
                 {.path = "/api/posts/post_1/comments?parent_id=comment_999999"}},
     .fields = {LIMIT,
                AFTER,
                WORD("sort"),
                WORD("view"),
                {.name = "max_depth", .kind = BAD_NUMBER, .min = 0, .max = 50}}},
    {"POST", "/api/comments/create",
     .fields =
         {{.name = "post_id",
           .kind = BAD_ID,
           .valid = "post_1",
           .required = true,
           .missing = "post_999999",
           .missing_code = "post_not_found"},
          USER("author_id", "user_1"),
          {.name = "content", .kind = BAD_TEXT, .valid = "Content", .required = true, .min = 1, .max = 10000},
          {.name = "parent_id",
           .kind = BAD_ID,
           .valid = "comment_1",
           .missing = "comment_999999",
           .missing_code = "parent_not_found"}}},
    {"GET", "/api/comments/comment_1", .pattern = "/api/comments/%s",
     .missing = {NO_COMMENT("/api/comments/comment_999999")}},
    {"POST", "/api/comments/comment_1/vote", .pattern = "/api/comments/%s/vote",
     .missing = {NO_COMMENT("/api/comments/comment_999999/vote")},
     .fields = {USER("user_id", "user_1"), VOTE}},
    {"GET", "/api/feed/user_1", .pattern = "/api/feed/%s", .missing = {NO_USER("/api/feed/user_999999")},
     .fields = {LIMIT, AFTER, WORD("sort"), WORD("t")}},
    {"GET", "/api/feed?user_id=user_1", .missing = {NO_USER("/api/feed?user_id=user_999999")}},
    {"POST", "/api/dm/send",
     .fields =
         {USER("from_user_id", "user_1"),
          USER("to_user_id", "user_2"),
          {.name = "content", .kind = BAD_TEXT, .valid = "Content", .required = true, .min = 1, .max = 10000},
          {.name = "reply_to_id",
           .kind = BAD_ID,
           .valid = "dm_1",
           .missing = "dm_999999",
           .missing_code = "reply_to_not_found"}}},
    {"GET", "/api/dm/user/user_1", .pattern = "/api/dm/user/%s",
     .missing = {NO_USER("/api/dm/user/user_999999")}, .fields = {LIMIT, AFTER}},
    {"GET", "/api/dm/conversation/user_1/user_2", .pattern = "/api/dm/conversation/user_1/%s",
     .missing = {NO_USER("/api/dm/conversation/user_999999/user_1"),
                 NO_USER("/api/dm/conversation/user_1/user_999999")},
     .fields = {LIMIT, AFTER}},
    {"POST", "/api/dm/conversation/user_1/user_2/read", .pattern = "/api/dm/conversation/%s/user_2/read",
     .missing = {NO_USER("/api/dm/conversation/user_999999/user_2/read"),
                 NO_USER("/api/dm/conversation/user_2/user_999999/read")},
     .fields = {{.name = "user_id", .kind = BAD_ID, .valid = "user_2", .required = true},
                {.name = "up_to",
                 .kind = BAD_ID,
                 .valid = "dm_1",
                 .required = true,
                 .missing = "dm_999999",
                 .missing_code = "message_not_found"}}},
};
const size_t bad_route_count = ARRAY_LEN(bad_routes);
