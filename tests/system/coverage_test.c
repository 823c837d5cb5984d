/*
 * A route without a test must not pass: each route of /openapi.json was reached with success by one of the
 * system tests before (routes that document no success, by any answer). ./test runs this one last;
 * FORUMD_COVERAGE names the file that they wrote.
 */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/check.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"

/* Does "/api/posts/{post_id}" take "/api/posts/post_1"? */
static bool template_matches(const char *template, const char *path)
{
    while (*template && *path) {
        if (*template == '{') {
            template += strcspn(template, "}") + 1;
            path += strcspn(path, "/");
        } else if (*template ++ != *path++) {
            return false;
        }
    }
    return *template == '\0' && *path == '\0';
}

static bool was_reached(const char *lines, const char *method, const char *template, bool with_success)
{
    char seen_method[16], seen_path[512];
    unsigned status;
    for (const char *line = lines;
         line && sscanf(line, "%15s %511s %u", seen_method, seen_path, &status) == 3;
         line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strcasecmp(seen_method, method) == 0 && template_matches(template, seen_path) &&
            (!with_success || (status >= 200 && status < 300)))
            return true;
    return false;
}

static bool documents_success(struct json_object *operation)
{
    struct json_object *responses = NULL;
    if (!json_find(operation, "responses", &responses))
        return false;
    json_object_object_foreach(responses, status, response)
    {
        (void)response;
        if (status[0] == '2')
            return true;
    }
    return false;
}

Test(coverage, every_route_was_reached_with_success)
{
    const char *file = getenv("FORUMD_COVERAGE");
    const char *lines = file ? keep_file(file, NULL) : NULL;
    cr_assert(lines, "no coverage file: ./test runs this after the other system tests");
    struct reply *reply = forum_get(forum_attach(), "/openapi.json");
    struct json_object *paths = NULL;
    cr_assert(json_find(reply->json, "paths", &paths), "%s", http_describe(reply));
    json_object_object_foreach(paths, template, operations)
    {
        json_object_object_foreach(operations, method, operation)
        {
            bool with_success = documents_success(operation);
            if (strcmp(method, "get") == 0 || strcmp(method, "post") == 0)
                cr_expect(was_reached(lines, method, template, with_success), "no test reached %s %s%s",
                          method, template, with_success ? " with success" : "");
        }
    }
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.shared = true, .spec = {.workers = 1}});
}
