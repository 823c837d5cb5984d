/* deploy/nginx/forumd.conf as it is, ports and paths aside: TLS in front of a whole forum. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attributes.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/json.h"
#include "tests/lib/keep.h"
#include "tests/lib/ports.h"
#include "tests/lib/program.h"
#include "tests/lib/wait.h"

#define NGINX      "/usr/sbin/nginx"
#define PROGRAM_MS 20000
#define CLIENT     "127.0.0.2" /* curl's address: another one than the proxy's */
#define HOST_NAME  "forum.example.org"

struct proxy {
    const char *directory;
    unsigned tls_port, plain_port;
    struct keeper *nginx;
};

static const char *replaced(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    cr_assert(at, "the example has no \"%s\"", old);
    return keep_format("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", path);
}

static const char *site(const struct forum *forum, const struct proxy *proxy)
{
    const char *text = keep_file(FORUMD_SOURCE_DIR "/deploy/nginx/forumd.conf", NULL);
    cr_assert(text);
    text = replaced(text, "server 127.0.0.1:8080;", keep_format("server 127.0.0.1:%u;", forum_port(forum)));
    text = replaced(text, "listen 80;", keep_format("listen 127.0.0.1:%u;", proxy->plain_port));
    text = replaced(text, "listen 443 ", keep_format("listen 127.0.0.1:%u ", proxy->tls_port));
    text = replaced(text, "/etc/ssl/forumd/fullchain.pem", keep_format("%s/cert.pem", proxy->directory));
    return replaced(text, "/etc/ssl/forumd/privkey.pem", keep_format("%s/key.pem", proxy->directory));
}

/* What Debian's nginx.conf has around a site, with all files in the test's directory. */
static const char *around(const char *directory)
{
    return keep_format(
        "daemon off;\nmaster_process off;\npid %s/pid;\nerror_log %s/error.log;\nevents {}\n"
        "http {\n"
        "access_log %s/access.log;\nclient_body_temp_path %s/body;\nproxy_temp_path %s/proxy;\n"
        "fastcgi_temp_path %s/fastcgi;\nuwsgi_temp_path %s/uwsgi;\nscgi_temp_path %s/scgi;\n"
        "include %s/forumd.conf;\n}\n",
        directory, directory, directory, directory, directory, directory, directory, directory, directory);
}

static void make_certificate(const char *directory)
{
    const char *key = keep_format("%s/key.pem", directory),
               *certificate = keep_format("%s/cert.pem", directory);
    const char *argv[] = {"/usr/bin/openssl",
                          "req",
                          "-x509",
                          "-newkey",
                          "ec",
                          "-pkeyopt",
                          "ec_paramgen_curve:prime256v1",
                          "-nodes",
                          "-days",
                          "1",
                          "-subj",
                          "/CN=" HOST_NAME,
                          "-addext",
                          "subjectAltName=DNS:" HOST_NAME,
                          "-keyout",
                          key,
                          "-out",
                          certificate,
                          NULL};
    struct program_result result = program_run(argv, NULL, NULL, PROGRAM_MS);
    cr_assert_eq(result.exit_code, 0, "%s", result.output);
}

static bool takes_connections(void *arg)
{
    const struct proxy *proxy = arg;
    return !ports_free(proxy->tls_port);
}

static struct proxy start_nginx(const struct forum *forum)
{
    int lock_fd;
    struct proxy proxy = {.directory = keep_format("%s/nginx", forum_run_directory())};
    proxy.tls_port = ports_take(&lock_fd);
    proxy.plain_port = proxy.tls_port + 1;
    cr_assert(proxy.tls_port > 0 && mkdir(proxy.directory, 0700) == 0);
    make_certificate(proxy.directory);
    write_file(keep_format("%s/forumd.conf", proxy.directory), site(forum, &proxy));
    write_file(keep_format("%s/nginx.conf", proxy.directory), around(proxy.directory));
    const char *argv[] = {NGINX, "-p", proxy.directory, "-c", keep_format("%s/nginx.conf", proxy.directory),
                          NULL};
    proxy.nginx = keeper_start(&(struct keeper_spec){
        .argv = argv, .output = keep_format("%s/output", proxy.directory), .hold_fd = lock_fd});
    close(lock_fd);
    cr_assert(wait_until(takes_connections, &proxy, PROGRAM_MS), "%s",
              keep_file(keep_format("%s/output", proxy.directory), NULL));
    return proxy;
}

struct fetched {
    int status;
    const char *head, *body;
    struct json_object *json;
};

/* By curl, which checks the certificate. `body` NULL: GET; beginning with @: a file. */
static struct fetched fetch(const struct proxy *proxy, const char *path, const char *body)
{
    struct fetched fetched = {0};
    const char *url = keep_format("https://" HOST_NAME ":%u%s", proxy->tls_port, path);
    const char *argv[] = {"/usr/bin/curl", "-sSi", "--max-time", "15", "--noproxy", "*", "--interface",
                          CLIENT, "--cacert", keep_format("%s/cert.pem", proxy->directory), "--resolve",
                          keep_format(HOST_NAME ":%u:127.0.0.1", proxy->tls_port), url,
                          /* What a client says of itself may not pass. */
                          "-H", "X-Forwarded-For: 6.6.6.6", "-H", "Forwarded: for=6.6.6.6", "-H",
                          "Content-Type: application/json", "-H", "Expect:", body ? "--data-binary" : NULL,
                          body, NULL};
    struct program_result result = program_run(argv, NULL, NULL, PROGRAM_MS);
    cr_assert_eq(result.exit_code, 0, "%s: %s", url, result.output);
    const char *end = strstr(result.output, "\r\n\r\n");
    cr_assert(end, "%s", result.output);
    cr_assert_eq(sscanf(result.output, "HTTP/%*s %d", &fetched.status), 1, "%s", result.output);
    fetched.head = keep_copy(result.output, (size_t)(end - result.output));
    fetched.body = end + 4;
    fetched.json = json_tokener_parse(fetched.body);
    return fetched;
}

static const char *nginx_errors(void)
{
    const char *text = keep_file(keep_format("%s/nginx/error.log", forum_run_directory()), NULL);
    return text ? text : "";
}

static void expect_status(const struct fetched *fetched, int status)
{
    cr_assert_eq(fetched->status, status, "%d instead of %d: %s\n%s\n%s", fetched->status, status,
                 fetched->head, fetched->body, nginx_errors());
    cr_assert(fetched->json, "no JSON: %s\n%s", fetched->head, fetched->body);
}

static void expect_journey(const struct proxy *proxy)
{
    static const struct {
        const char *path, *body;
        int status;
    } steps[] = {
        {"/api/auth/register", "{\"username\":\"ann\"}", 201},
        {"/api/subreddits/create", "{\"name\":\"cats\",\"creator_id\":\"user_1\"}", 201},
        {"/api/posts/create", "{\"subreddit_id\":\"sub_1\",\"author_id\":\"user_1\",\"title\":\"Hi\"}", 201},
        {"/api/posts/post_1/vote", "{\"user_id\":\"user_1\",\"vote_type\":\"upvote\"}", 200},
        {"/api/posts/post_1", NULL, 200},
        {"/api/feed/user_1?sort=new", NULL, 200},
        {"/api/posts/post_9", NULL, 404},
        {"/api/auth/register", "{", 400},
        {"/metrics", NULL, 404},
        {"/health", NULL, 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct fetched fetched = fetch(proxy, steps[i].path, steps[i].body);
        expect_status(&fetched, steps[i].status);
        cr_expect(strstr(fetched.head, "strict-transport-security: max-age="), "%s", fetched.head);
    }
}

static void expect_own_limits(const struct proxy *proxy)
{
    const char *file = keep_format("%s/large", proxy->directory);
    char *large = keep_alloc((256 << 10) + 2);
    memset(large, ' ', (256 << 10) + 1);
    write_file(file, large);
    struct fetched fetched = fetch(proxy, "/api/auth/register", keep_format("@%s", file));
    expect_status(&fetched, 413);
    cr_expect(strstr(fetched.head, "application/problem+json"), "%s", fetched.head);
    large[256 << 10] = '\0'; /* fits, but is no JSON: forumd says so */
    write_file(file, large);
    fetched = fetch(proxy, "/api/auth/register", keep_format("@%s", file));
    expect_status(&fetched, 400);
}

static void expect_way_to_tls(const struct proxy *proxy)
{
    struct reply *reply =
        http_send(proxy->plain_port, &(struct http_request){.method = "GET", .path = "/api/r/cats"});
    cr_expect_eq(reply->status, 301, "%s", http_describe(reply));
    cr_expect_str_eq(http_header(reply, "Location"), "https://127.0.0.1/api/r/cats");
}

Test(nginx, serves_a_journey_over_tls_and_keeps_to_the_limits)
{
    if (access(NGINX, X_OK) != 0)
        cr_skip_test("there is no " NGINX);
    static const char *const flags[] = {"--trusted-proxies=127.0.0.1", "--proxy-header=forwarded",
                                        "--access-log=on", NULL};
    struct forum *forum = forum_start(&(struct forum_spec){.flags = flags});
    struct proxy proxy = start_nginx(forum);
    expect_journey(&proxy);
    expect_own_limits(&proxy);
    expect_way_to_tls(&proxy);
    cr_expect(strstr(forum_log(forum), "client=" CLIENT), "the client's own address is not in the log");
    cr_expect(!strstr(forum_log(forum), "6.6.6.6"), "the address that the client made up is in the log");
    cr_assert_eq(forum_stop(forum, SIGTERM), 0);
    struct fetched fetched = fetch(&proxy, "/api/posts/post_1", NULL);
    expect_status(&fetched, 503);
    cr_expect(strstr(fetched.head, "retry-after: 1"), "%s", fetched.head);
    keeper_end(proxy.nginx);
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){0});
}
