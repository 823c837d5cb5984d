#include "tests/lib/make.h"

#include <string.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/json.h"
#include "tests/lib/keep.h"
#include "tests/lib/require.h"

#define REQUIRE_RIGHT(expression)                                                                            \
    do {                                                                                                     \
        const char *wrong = (expression);                                                                    \
        REQUIRE(!wrong, "%s", wrong);                                                                        \
    } while (0)

const char *make_name(const char *prefix)
{
    static unsigned count;
    return keep_format("%s_%x_%x", prefix, (unsigned)getpid(), count++);
}

static const char *created(const struct reply *reply, const char *id_field)
{
    REQUIRE_RIGHT(check_success(reply, 201));
    return json_text(reply, id_field);
}

const char *make_user_named(const struct forum *forum, const char *name)
{
    return created(forum_post(forum, "/api/auth/register", json_body("{'username':'%s'}", name)), "user_id");
}

const char *make_bearer(const char *token)
{
    return keep_format("Authorization: Bearer %s\r\n", token);
}

struct made_user make_account_named(const struct forum *forum, const char *name, const char *password)
{
    const char *more = password ? json_body(",'password':%s", json_quote(password)) : "";
    const struct reply *reply =
        forum_post(forum, "/api/auth/register", json_body("{'username':'%s'%s}", name, more));
    struct made_user user = {
        .id = created(reply, "user_id"), .name = name, .token = json_text(reply, "token")};
    user.headers = make_bearer(user.token);
    return user;
}

struct made_user make_account(const struct forum *forum, const char *password)
{
    return make_account_named(forum, make_name("u"), password);
}

const char *make_user(const struct forum *forum)
{
    return make_user_named(forum, make_name("u"));
}

const char *make_subreddit_named(const struct forum *forum, const char *creator, const char *name)
{
    return created(forum_post(forum, "/api/subreddits/create",
                              json_body("{'name':'%s','description':'About %s','creator_id':'%s'}", name,
                                        name, creator)),
                   "subreddit_id");
}

const char *make_subreddit(const struct forum *forum, const char *creator)
{
    return make_subreddit_named(forum, creator, make_name("s"));
}

const char *make_post(const struct forum *forum, const char *subreddit, const char *author, const char *title)
{
    return created(forum_post(forum, "/api/posts/create",
                              json_body("{'subreddit_id':'%s','author_id':'%s','title':%s,'content':'Text'}",
                                        subreddit, author, json_quote(title))),
                   "post_id");
}

const char *make_comment(const struct forum *forum, const char *post, const char *author, const char *parent,
                         const char *content)
{
    const char *parent_field = parent ? json_body(",'parent_id':'%s'", parent) : "";
    return created(forum_post(forum, "/api/comments/create",
                              json_body("{'post_id':'%s','author_id':'%s','content':%s%s}", post, author,
                                        json_quote(content), parent_field)),
                   "comment_id");
}

const char *make_message(const struct forum *forum, const char *from, const char *to, const char *content)
{
    return created(forum_post(forum, "/api/dm/send",
                              json_body("{'from_user_id':'%s','to_user_id':'%s','content':%s}", from, to,
                                        json_quote(content))),
                   "message_id");
}

void make_vote(const struct forum *forum, const char *id, const char *user, const char *vote)
{
    const char *kind = strncmp(id, "post_", 5) == 0 ? "posts" : "comments";
    const struct reply *reply = forum_post(forum, keep_format("/api/%s/%s/vote", kind, id),
                                           json_body("{'user_id':'%s','vote_type':'%s'}", user, vote));
    REQUIRE_RIGHT(check_success(reply, 200));
}

void make_member(const struct forum *forum, const char *subreddit, const char *user)
{
    const struct reply *reply = forum_post(forum, keep_format("/api/subreddits/%s/join", subreddit),
                                           json_body("{'user_id':'%s'}", user));
    REQUIRE_RIGHT(check_success(reply, 200));
}
