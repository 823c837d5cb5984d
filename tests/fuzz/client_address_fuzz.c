/*
 * Where a request comes from: an address that is read and written reads the same; a stranger's headers change
 * nothing; what a trusted proxy's headers give stands in them, or is the proxy itself.
 * Input: a byte, odd for "Forwarded"; a line with the list of trusted proxies; then the header's lines.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "gateway/client_address.h"
#include "tests/fuzz/fuzz.h"

#define LINES_MAX 8

static bool same(const struct client_address *a, const struct client_address *b)
{
    return memcmp(a->bytes, b->bytes, CLIENT_ADDRESS_BYTES) == 0;
}

static void check_text(const char *text, size_t length)
{
    char out[CLIENT_ADDRESS_TEXT];
    struct client_address address, again;
    if (!client_address_parse(text, length, &address))
        return;
    const char *written = client_address_format(&address, out);
    if (strcmp(written, "unknown") == 0) /* all zero */
        return;
    ensure(client_address_parse(written, strlen(written), &again) && same(&address, &again));
    struct client_address network = client_address_network(&address);
    struct client_address same_network = client_address_network(&network);
    ensure(same(&network, &same_network));
}

static size_t split_lines(char *text, const char **lines)
{
    size_t count = 0;
    char *rest = text;
    for (char *line; count < LINES_MAX && (line = strsep(&rest, "\n")) != NULL;)
        lines[count++] = line;
    return count;
}

static void check_header(const char *list, enum proxy_header header, const char *const *lines, size_t count)
{
    struct client_address peer = {{0}}, stranger = {{0}};
    const char *wrong = NULL;
    size_t wrong_length = 0;
    ensure(client_address_parse("127.0.0.1", 9, &peer) && client_address_parse("192.0.2.1", 9, &stranger));
    struct trusted_proxies *proxies = trusted_proxies_parse(list, &wrong, &wrong_length);
    if (proxies == NULL) {
        ensure(wrong_length == 0 || (wrong >= list && wrong + wrong_length <= list + strlen(list)));
        return;
    }
    struct client_address found = client_address_find(proxies, header, lines, count, &stranger);
    if (!trusted_proxies_have(proxies, &stranger))
        ensure(same(&found, &stranger));
    found = client_address_find(proxies, header, lines, count, &peer);
    if (!trusted_proxies_have(proxies, &peer) || count == 0)
        ensure(same(&found, &peer));
    free(proxies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    const char *lines[LINES_MAX];
    if (arena == NULL)
        arena = arena_new();
    arena_reset(arena);
    enum proxy_header header = fuzz_byte(&input) % 2 != 0 ? PROXY_FORWARDED : PROXY_X_FORWARDED_FOR;
    check_text((const char *)input.at, input.left);
    char *text = arena_strndup(arena, (const char *)input.at, input.left);
    char *list = strsep(&text, "\n");
    size_t count = text != NULL ? split_lines(text, lines) : 0;
    check_header(list, header, lines, count);
    return 0;
}
