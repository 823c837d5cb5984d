/* What earlier forums left behind (tests/upgrade/files, made by make-files) is served, and goes on; what
 * later ones leave behind is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"
#include "tests/lib/make.h"
#include "tests/lib/wait.h"
#include "tests/upgrade/old.h"

#define FILES         FORUMD_SOURCE_DIR "/tests/upgrade/files"
#define EXIT_DATA     65
#define SETTLED_MS    10000
#define REFUSED_MS    20000
#define FIRST_VERSION 2 /* no program ever left a file of version 1: an engine's own tables alone */

static const char *const domains[] = {"users", "subreddits", "posts", "comments", "dms", "feed"};

/* ---- files ---- */

static const char *new_directory(void)
{
    char *directory = keep_format("%s/state.XXXXXX", forum_run_directory());
    cr_assert(mkdtemp(directory), "%s: %s", directory, strerror(errno));
    return directory;
}

static unsigned version_of(const char *state, const char *domain)
{
    return (unsigned)atoi(old_shell(keep_format("sqlite3 %s/%s.db 'PRAGMA user_version'", state, domain)));
}

/* That of a file that is kept as SQL. */
static unsigned version_in(const char *files, const char *domain)
{
    static const char pragma[] = "\nPRAGMA user_version=";
    const char *path = keep_format("%s/%s.sql", files, domain), *text = keep_file(path, NULL),
               *found = text ? strstr(text, pragma) : NULL;
    cr_assert(found, "%s does not say its version", path);
    return (unsigned)atoi(found + strlen(pragma));
}

static const char *laid_out(const char *files)
{
    const char *state = new_directory();
    for (size_t i = 0; i < ARRAY_LEN(domains); i++)
        old_shell(keep_format("sqlite3 -bail %s/%s.db <%s/%s.sql", state, domains[i], files, domains[i]));
    return state;
}

static void find_files(glob_t *found)
{
    cr_assert_eq(glob(FILES "/*", 0, NULL, found), 0, "nothing in " FILES);
}

/* ---- what was answered then, and now ---- */

/* NULL, or the path of what is missing or different: what was there before is there now; more may be. */
static const char *difference(const char *at, struct json_object *before, struct json_object *now)
{
    const char *found = NULL;
    if (json_object_is_type(before, json_type_object) && json_object_is_type(now, json_type_object)) {
        json_object_object_foreach(before, key, value)
        {
            struct json_object *other = NULL;
            const char *place = keep_format("%s.%s", at, key);
            found = json_object_object_get_ex(now, key, &other) ? difference(place, value, other) : place;
            if (found)
                return found;
        }
        return NULL;
    }
    if (json_object_is_type(before, json_type_array) && json_object_is_type(now, json_type_array) &&
        json_object_array_length(before) == json_object_array_length(now)) {
        for (size_t i = 0; i < json_object_array_length(before) && !found; i++)
            found = difference(keep_format("%s.%zu", at, i), json_object_array_get_idx(before, i),
                               json_object_array_get_idx(now, i));
        return found;
    }
    return json_object_equal(before, now) ? NULL : at;
}

/* A line "PATH<tab>BODY" each. Returns how many. */
static unsigned check_answers(struct forum *forum, const char *files)
{
    unsigned count = 0;
    char *rest = keep_file(keep_format("%s/answers", files), NULL), *line;
    cr_assert(rest, "%s has no answers", files);
    while ((line = strsep(&rest, "\n")) && *line) {
        const char *path = strsep(&line, "\t");
        struct json_object *before = json_tokener_parse(line);
        cr_assert(before, "%s: %s", path, line);
        struct reply *reply = forum_get(forum, "%s", path);
        CHECK_OK(reply);
        const char *different = difference("answer", before, reply->json);
        cr_assert(!different, "%s: %s was else: %s; now %s", path, different, line, reply->body);
        json_object_put(before);
        count++;
    }
    return count;
}

/* ---- and it goes on ---- */

struct wanted {
    struct forum *forum;
    const char *post, *why;
};

static bool has_arrived(void *arg)
{
    struct wanted *wanted = arg;
    struct reply *user = forum_get(wanted->forum, "/api/users/user_1"),
                 *post = forum_get(wanted->forum, "/api/posts/post_1"),
                 *feed = forum_get(wanted->forum, "/api/feed/user_3?sort=new");
    wanted->why = keep_format("%s\n%s\n%s", http_describe(user), http_describe(post), http_describe(feed));
    return user->status == 200 && json_number(user, "post_karma") == 2 &&
           json_number(user, "comment_karma") == 2 && post->status == 200 &&
           json_number(post, "comment_count") == 3 && feed->status == 200 && json_count(feed, "") == 4 &&
           strcmp(json_text(feed, "0.post_id"), wanted->post) == 0;
}

/* Ids go on, and what is written reaches who follows: from where they were, so old events count once. */
static void check_goes_on(struct forum *forum)
{
    cr_assert_str_eq(make_user(forum), "user_4");
    cr_assert_str_eq(make_subreddit(forum, "user_4"), "sub_3");
    make_member(forum, "sub_1", "user_4");
    const char *post = make_post(forum, "sub_1", "user_1", "After");
    cr_assert_str_eq(post, "post_6");
    const char *comment = make_comment(forum, "post_1", "user_4", "comment_2", "A late answer");
    cr_assert_str_eq(comment, "comment_4");
    cr_assert_str_eq(make_message(forum, "user_2", "user_1", "Still there?"), "dm_4");
    make_vote(forum, post, "user_4", "upvote");
    make_vote(forum, "comment_1", "user_4", "upvote");
    struct wanted wanted = {forum, post, ""};
    cr_assert(wait_until(has_arrived, &wanted, SETTLED_MS), "%s", wanted.why);
    CHECK_NUMBER(forum_get(forum, "/api/subreddits/sub_1"), "member_count", 4);
    CHECK_TEXT(forum_get(forum, "/api/users/user_1/posts"), "0.post_id", post);
    CHECK_TEXT(forum_get(forum, "/api/users/user_1/posts"), "3.post_id", "post_1");
    CHECK_TEXT(forum_get(forum, "/api/subreddits/sub_1/posts?sort=new"), "0.post_id", post);
    CHECK_NULL(forum_get(forum, "/api/posts/post_1"), "signature");
}

/* Who had a password then has it now. */
static void check_password(struct forum *forum, const char *files)
{
    bool had = strstr(keep_file(keep_format("%s/users.sql", files), NULL), "INTO credentials ");
    struct reply *reply =
        forum_post(forum, "/api/auth/login", json_body("{'username':'ann','password':'correct horse'}"));
    if (had)
        CHECK_OK(reply);
    else
        CHECK_STATUS(reply, 401);
}

static unsigned check_migrated(const struct forum *forum, const char *files)
{
    unsigned migrated = 0;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        unsigned before = version_in(files, domains[i]),
                 now = version_of(forum_state_directory(forum), domains[i]);
        const char *line = keep_format("/%s.db from=%u to=%u", domains[i], before, now);
        bool said = strstr(forum_log(forum), line);
        cr_assert_eq(said, before != now, "in the log of a start from %s: \"%s\"", files, line);
        migrated += said;
    }
    return migrated;
}

Test(files, of_each_earlier_forum_are_served_as_they_were_and_go_on)
{
    glob_t found;
    find_files(&found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *files = found.gl_pathv[i], *state = laid_out(files);
        struct forum *forum = forum_start(&(struct forum_spec){.state = state, .workers = 1});
        unsigned answers = check_answers(forum, files), migrated = check_migrated(forum, files);
        check_password(forum, files);
        check_goes_on(forum);
        cr_assert_eq(forum_stop(forum, SIGINT), 0);
        old_check_clean(state);
        printf("fault: files of %s: %u migrated, %u answers as they were, check clean\n",
               strrchr(files, '/') + 1, migrated, answers);
        fflush(stdout);
    }
    globfree(&found);
}

/* ---- all versions, and later ones ---- */

/* One that ran, and has stopped. */
static struct forum *present_forum(void)
{
    struct forum *forum = forum_start(&(struct forum_spec){.workers = 1});
    make_user(forum);
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
    return forum;
}

static bool is_kept(const glob_t *found, const char *domain, unsigned version)
{
    for (size_t i = 0; i < found->gl_pathc; i++)
        if (version_in(found->gl_pathv[i], domain) == version)
            return true;
    return false;
}

static void set_version(const char *state, const char *domain, unsigned version)
{
    old_shell(keep_format("sqlite3 %s/%s.db 'PRAGMA user_version=%u'", state, domain, version));
}

/* By the engine, and at once by the launcher, which need not try whether it becomes an older one: one line
 * says it. */
static void check_refused(struct forum *forum, const char *domain)
{
    int status;
    const char *state = forum_state_directory(forum), *output = keep_format("%s/%s.refused", state, domain);
    unsigned version = version_of(state, domain) + 1;
    set_version(state, domain, version);
    struct keeper *launcher = forum_launch(forum, NULL, output);
    cr_assert(keeper_wait(launcher, REFUSED_MS, &status), "%s", keep_file(output, NULL));
    const char *line = keep_format("%s.db is of a newer forumd (schema %u, this one knows %u)", domain,
                                   version, version - 1);
    const char *said = keep_file(output, NULL), *found = said ? strstr(said, line) : NULL;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DATA && found && !strstr(found + 1, line),
              "wait status %d: %s", status, said);
    keeper_end(launcher);
    cr_assert_eq(version_of(state, domain), version);
    set_version(state, domain, version - 1);
}

Test(versions, of_all_engines_before_the_present_ones_are_kept_and_later_ones_are_refused)
{
    glob_t found;
    struct forum *forum = present_forum();
    const char *state = forum_state_directory(forum);
    find_files(&found);
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        for (unsigned version = FIRST_VERSION; version < version_of(state, domains[i]); version++)
            cr_assert(
                is_kept(&found, domains[i], version),
                "no file of %s at version %u is kept: run tests/upgrade/make-files COMMIT with a commit "
                "that had it",
                domains[i], version);
        check_refused(forum, domains[i]);
    }
    globfree(&found);
    forum_start_again(forum); /* nothing was changed but that number */
    CHECK_OK(forum_get(forum, "/api/users/user_1"));
    cr_assert_eq(forum_stop(forum, SIGINT), 0);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 200, .one_by_one = true});
}
