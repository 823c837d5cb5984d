/*
 * Path matching: never more parameters than there is room for; a path made anew from the route's template and
 * the parameters, all escaped, matches the same route with the same parameters. Input: a byte that chooses
 * the method, then the path.
 */
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "gateway/routes.h"
#include "tests/fuzz/fuzz.h"

static char *escaped(struct arena *arena, const char *bytes, size_t length)
{
    char *text = arena_alloc(arena, length * 3 + 1);
    for (size_t i = 0; i < length; i++)
        snprintf(text + i * 3, 4, "%%%02X", (unsigned char)bytes[i]);
    return text;
}

static const char *remade(struct arena *arena, const char *template, const struct text_param *params)
{
    const char *path = "";
    for (size_t param = 0; *template != '\0';) {
        size_t length = strcspn(template, ":");
        path = arena_printf(arena, "%s%.*s", path, (int)length, template);
        template += length;
        if (*template == ':') {
            path =
                arena_printf(arena, "%s%s", path, escaped(arena, params[param].value, params[param].length));
            param++;
            template += strcspn(template, "/");
        }
    }
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "POST", "HEAD", "PUT", "OPTIONS", ""};
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    struct text_param params[ROUTE_PARAMS_MAX], again_params[ROUTE_PARAMS_MAX];
    const struct route *route = NULL, *again = NULL;
    size_t count = 0, again_count = 0;
    char allow[64];
    if (arena == NULL)
        arena = arena_new();
    arena_reset(arena);
    const char *method = methods[fuzz_byte(&input) % ARRAY_LEN(methods)];
    const char *path = arena_strndup(arena, (const char *)input.at, input.left);
    enum route_match match = route_match(method, path, arena, &route, params, &count, allow, sizeof(allow));
    if (match == ROUTE_NO_METHOD)
        ensure(strstr(allow, "OPTIONS") != NULL);
    if (match != ROUTE_FOUND)
        return 0;
    ensure(count <= ROUTE_PARAMS_MAX);
    const char *same = remade(arena, route->path, params);
    ensure(route_match(method, same, arena, &again, again_params, &again_count, allow, sizeof(allow)) ==
           ROUTE_FOUND);
    ensure(again == route && again_count == count);
    for (size_t i = 0; i < count; i++)
        ensure(params[i].length > 0 && params[i].length == again_params[i].length &&
               memcmp(params[i].value, again_params[i].value, params[i].length) == 0);
    return 0;
}
