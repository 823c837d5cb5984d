/* forumctl export: everything that a community owns, a JSON object a line (proto/export.proto). */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/options.h"
#include "deploy/forumctl/backup_files.h"
#include "deploy/forumctl/command.h"
#include "deploy/forumctl/progress.h"
#include "deploy/state/state_dir.h"
#include "engined/domain.h"
#include "engined/store_offline.h"

#define ALGORITHM(column)                                                                                    \
    "CASE " column " WHEN 1 THEN 'RSA2048' WHEN 2 THEN 'ECDSAP256' WHEN 3 THEN 'ED25519' END"
#define VOTE "CASE vote WHEN 1 THEN 'upvote' ELSE 'downvote' END"

/* A type of line each: its objects in the order of their ids. */
static const struct part {
    const char *what;
    enum domain_id domain;
    const char *count, *sql;
} parts[] = {
    {"users", DOMAIN_USERS, "SELECT count(*) FROM users",
     "SELECT json_object('type', 'user', 'user_id', 'user_' || u.user_id, 'username', u.username, "
     "'created_at', "
     "u.created_at, 'public_key', k.public_key, 'key_algorithm', " ALGORITHM(
         "k.algorithm") ", 'sessions', u.sessions, 'closed_upto', u.closed_upto, 'closed_except', "
                        "u.closed_except, 'password_hash', iif(?1, p.hash, NULL)) FROM users u "
                        "LEFT JOIN keys k ON k.user_id = u.user_id LEFT JOIN credentials p ON p.user_id = "
                        "u.user_id ORDER BY u.user_id"},
    {"closed sessions", DOMAIN_USERS, "SELECT count(*) FROM closed_sessions",
     "SELECT json_object('type', 'closed_session', 'user_id', 'user_' || user_id, 'session', session, "
     "'closed_at', closed_at) FROM closed_sessions ORDER BY closed_at, user_id, session"},
    {"subreddits", DOMAIN_SUBREDDITS, "SELECT count(*) FROM subreddits",
     "SELECT json_object('type', 'subreddit', 'subreddit_id', 'sub_' || subreddit_id, 'name', name, "
     "'description', description, 'creator_id', 'user_' || creator_id, 'created_at', created_at) "
     "FROM subreddits ORDER BY subreddit_id"},
    {"memberships", DOMAIN_SUBREDDITS, "SELECT count(*) FROM memberships",
     "SELECT json_object('type', 'membership', 'user_id', 'user_' || user_id, 'subreddit_id', 'sub_' || "
     "subreddit_id, 'joined_at', joined_at) FROM memberships ORDER BY user_id, subreddit_id"},
    {"posts", DOMAIN_POSTS, "SELECT count(*) FROM posts",
     "SELECT json_object('type', 'post', 'post_id', 'post_' || post_id, 'subreddit_id', 'sub_' || "
     "subreddit_id, 'author_id', 'user_' || author_id, 'title', title, 'content', content, 'url', url, "
     "'original_post_id', 'post_' || original_post_id, 'created_at', created_at, 'signature', signature, "
     "'signature_algorithm', " ALGORITHM(
         "signature_algorithm") ", 'signed_at', signed_at, 'author_key', author_key) FROM posts ORDER BY "
                                "post_id"},
    {"votes on posts", DOMAIN_POSTS, "SELECT count(*) FROM votes",
     "SELECT json_object('type', 'post_vote', 'post_id', 'post_' || post_id, 'user_id', 'user_' || user_id, "
     "'vote_type', " VOTE ") FROM votes ORDER BY post_id, user_id"},
    {"comments", DOMAIN_COMMENTS, "SELECT count(*) FROM comments",
     "SELECT json_object('type', 'comment', 'comment_id', 'comment_' || comment_id, 'post_id', 'post_' || "
     "post_id, 'author_id', 'user_' || author_id, 'parent_id', 'comment_' || parent_id, 'content', content, "
     "'created_at', created_at) FROM comments ORDER BY comment_id"},
    {"votes on comments", DOMAIN_COMMENTS, "SELECT count(*) FROM votes",
     "SELECT json_object('type', 'comment_vote', 'comment_id', 'comment_' || comment_id, 'user_id', 'user_' "
     "|| "
     "user_id, 'vote_type', " VOTE ") FROM votes ORDER BY user_id, comment_id"},
    {"messages", DOMAIN_DMS, "SELECT count(*) FROM messages",
     "SELECT json_object('type', 'message', 'message_id', 'dm_' || message_id, 'from_user_id', 'user_' || "
     "from_user_id, 'to_user_id', 'user_' || to_user_id, 'content', content, 'reply_to_id', 'dm_' || "
     "reply_to_id, 'created_at', created_at, 'read_at', read_at) FROM messages ORDER BY message_id"},
};

struct export
{
    const char *dir;
    FILE *out;
    bool credentials;
    uint64_t lines;
};

static struct store *open_domain(const struct export *export, enum domain_id domain)
{
    char name[64], path[PATH_MAX], wal[PATH_MAX + 8], why[STORE_WHY_BYTES];
    uint64_t version = 0;
    size_t known = domain_by_id(domain)->migration_count;
    snprintf(name, sizeof(name), "%s.db", domain_name(domain));
    state_dir_path(export->dir, name, path, sizeof(path));
    snprintf(wal, sizeof(wal), "%s-wal", path);
    struct store *store = store_open_file(path, access(wal, F_OK) == 0 ? STORE_READ : STORE_READ_SEALED, why);
    if (store == NULL)
        fatal_exit(EXIT_DATA, "cannot read %s: %s", path, why);
    if (!store_number(store, "PRAGMA user_version", &version) || version != known)
        fatal_exit(EXIT_DATA, "%s has schema %llu, not %zu: %s", path, (unsigned long long)version, known,
                   version < known ? "start its engine once first" : "it is of a newer forumd");
    return store;
}

static void write_line(struct export *export, const char *line)
{
    if (fputs(line, export->out) == EOF || fputc('\n', export->out) == EOF)
        fatal_exit(EXIT_IO, "cannot write the export: %m");
    export->lines++;
}

static void export_part(struct export *export, const struct part *part)
{
    struct progress progress;
    uint64_t total = 0, done = 0;
    char why[STORE_WHY_BYTES], result[64];
    struct store *store = open_domain(export, part->domain);
    (void)!store_number(store, part->count, &total);
    progress_begin(&progress, part->what);
    struct query *query = store_try_prepare(store, part->sql, why);
    if (query == NULL)
        fatal_exit(EXIT_DATA, "cannot read the %s: %s", part->what, why);
    if (strstr(part->sql, "?1") != NULL)
        query_bind(query, "u", (uint64_t) export->credentials);
    while (query_row(query)) {
        write_line(export, query_text_peek(query, 0));
        progress_show(&progress, ++done, total);
    }
    query_done(query);
    if (done != total)
        fatal_exit(EXIT_DATA, "cannot read the %s: %s", part->what, store_error(store));
    query_drop(query);
    store_close(store);
    snprintf(result, sizeof(result), "%llu", (unsigned long long)done);
    progress_end(&progress, result);
}

/* Of a state directory nobody may change anything meanwhile; a backup nobody changes. */
static void lock_all(const char *dir)
{
    for (size_t i = 0; !backup_is_complete(dir) && i < BACKUP_DOMAINS; i++)
        if (state_dir_lock_name(dir, domain_name(backup_order[i])) < 0)
            fatal_exit(EXIT_UNAVAILABLE, "the %s engine runs on %s: stop the forum, or export a backup of it",
                       domain_name(backup_order[i]), dir);
}

/* All messages are in it. */
static FILE *open_private(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL)
        fatal_exit(EXIT_OS, "cannot make %s: %m", path);
    return out;
}

int ctl_export(int argc, char **argv)
{
    char end[64];
    struct export export = {.dir = state_dir_default(), .out = stdout};
    const struct option_row rows[] = {
        {"state-dir", OPTION_STRING, &export.dir, 0, 0, NULL, "DIR", "a state directory, or a backup"},
        {"credentials", OPTION_FLAG, &export.credentials, 0, 0, NULL, NULL,
         "with the hashes of passwords (Argon2id): else nobody has a password after an import"},
    };
    if (options_parse("forumctl export FILE [flags]\n\n"
                      "Writes everything that a community owns as JSON lines; FILE may be -.",
                      rows, ARRAY_LEN(rows), argc, argv) != 1)
        fatal_exit(EXIT_USAGE, "export: name one FILE, or -");
    const char *path = argv[argc - 1];
    lock_all(export.dir);
    if (strcmp(path, "-") != 0)
        export.out = open_private(path);
    write_line(&export, "{\"type\":\"forumd\",\"format\":1}");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        export_part(&export, &parts[i]);
    snprintf(end, sizeof(end), "{\"type\":\"end\",\"lines\":%llu}", (unsigned long long)export.lines);
    write_line(&export, end);
    if (fflush(export.out) != 0 || (export.out != stdout && fsync(fileno(export.out)) != 0))
        fatal_exit(EXIT_IO, "cannot write %s: %m", path);
    if (export.out != stdout)
        fclose(export.out);
    return EXIT_SUCCESS;
}
