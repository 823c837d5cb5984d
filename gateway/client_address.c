#include "gateway/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/fatal.h"
#include "common/limits.h"

#define IPV4_OFFSET   12 /* of an IPv4 address in its mapped form */
#define IPV4_BITS     (8 * IPV4_OFFSET)
#define ALL_BITS      128
#define NETWORK_BYTES 8 /* of an IPv6 address: the /64 */
#define PORT_DIGITS   5

static const uint8_t mapped_prefix[IPV4_OFFSET] = {[10] = 0xff, [11] = 0xff};

struct trusted_proxies {
    size_t count;
    struct client_network networks[LIMIT_TRUSTED_PROXIES];
};

static bool is_ipv4(const struct client_address *address)
{
    return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static struct client_address of_ipv4(const void *bytes)
{
    struct client_address address;
    memcpy(address.bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(address.bytes + IPV4_OFFSET, bytes, CLIENT_ADDRESS_BYTES - IPV4_OFFSET);
    return address;
}

struct client_address client_address_of(const struct sockaddr *address)
{
    struct client_address out = {{0}};
    if (address != NULL && address->sa_family == AF_INET)
        return of_ipv4(&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    if (address != NULL && address->sa_family == AF_INET6)
        memcpy(out.bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
               sizeof(out.bytes));
    return out;
}

bool client_address_parse(const char *text, size_t length, struct client_address *address)
{
    char copy[CLIENT_ADDRESS_TEXT];
    struct in_addr four;
    if (length == 0 || length >= sizeof(copy) || memchr(text, '\0', length) != NULL)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET6, copy, address->bytes) == 1)
        return true;
    if (inet_pton(AF_INET, copy, &four) != 1)
        return false;
    *address = of_ipv4(&four);
    return true;
}

const char *client_address_format(const struct client_address *address, char out[static CLIENT_ADDRESS_TEXT])
{
    static const struct client_address unknown;
    const void *bytes = address->bytes;
    if (memcmp(address, &unknown, sizeof(unknown)) == 0)
        return strcpy(out, "unknown");
    if (is_ipv4(address))
        ensure(inet_ntop(AF_INET, (const uint8_t *)bytes + IPV4_OFFSET, out, CLIENT_ADDRESS_TEXT) != NULL);
    else
        ensure(inet_ntop(AF_INET6, bytes, out, CLIENT_ADDRESS_TEXT) != NULL);
    return out;
}

struct client_address client_address_network(const struct client_address *address)
{
    struct client_address network = *address;
    if (!is_ipv4(address))
        memset(network.bytes + NETWORK_BYTES, 0, CLIENT_ADDRESS_BYTES - NETWORK_BYTES);
    return network;
}

/* "10.0.0.0/8": bits beyond the prefix count for nothing. */
static bool parse_network(const char *text, size_t length, struct client_network *network)
{
    const char *slash = memchr(text, '/', length);
    size_t address_length = slash != NULL ? (size_t)(slash - text) : length;
    if (!client_address_parse(text, address_length, &network->address))
        return false;
    bool dotted = memchr(text, ':', address_length) == NULL;
    unsigned most = dotted ? ALL_BITS - IPV4_BITS : ALL_BITS, bits = 0;
    network->bits = ALL_BITS;
    if (slash == NULL)
        return true;
    const char *digit = slash + 1, *end = text + length;
    if (digit == end || end - digit > 3)
        return false;
    for (; digit < end; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        bits = bits * 10 + (unsigned)(*digit - '0');
    }
    network->bits = bits + (dotted ? IPV4_BITS : 0);
    return bits <= most;
}

struct trusted_proxies *trusted_proxies_parse(const char *list, const char **wrong, size_t *wrong_length)
{
    struct trusted_proxies *proxies = xcalloc(1, sizeof(*proxies));
    list += strspn(list, ", \t");
    while (*list != '\0') {
        size_t length = strcspn(list, ", \t");
        *wrong = list;
        *wrong_length = proxies->count < LIMIT_TRUSTED_PROXIES ? length : 0;
        if (*wrong_length == 0 || !parse_network(list, length, &proxies->networks[proxies->count]))
            goto fail;
        proxies->count++;
        list += length;
        list += strspn(list, ", \t");
    }
    return proxies;
fail:
    free(proxies);
    return NULL;
}

/* An IPv6 network does not hold IPv4 addresses, though their mapped forms lie in ::/0: who writes that means
 * IPv6. */
static bool network_has(const struct client_network *network, const struct client_address *address)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (is_ipv4(address) && !(is_ipv4(&network->address) && network->bits >= IPV4_BITS))
        return false;
    if (memcmp(network->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || (network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

bool trusted_proxies_have(const struct trusted_proxies *proxies, const struct client_address *address)
{
    for (size_t i = 0; i < proxies->count; i++)
        if (network_has(&proxies->networks[i], address))
            return true;
    return false;
}

/* A part of a line. */
struct piece {
    const char *text;
    size_t length;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct piece trim(const char *begin, const char *end)
{
    while (begin < end && is_blank(*begin))
        begin++;
    while (begin < end && is_blank(end[-1]))
        end--;
    return (struct piece){.text = begin, .length = (size_t)(end - begin)};
}

static bool is_decimal_port(const char *text, size_t length)
{
    if (length < 1 || length > PORT_DIGITS)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static bool is_name_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
}

/* RFC 7239, 6.2: node-port = 1*5DIGIT / "_" 1*(ALPHA / DIGIT / "." / "_" / "-") */
static bool is_port(const char *text, size_t length)
{
    if (length < 2 || *text != '_')
        return is_decimal_port(text, length);
    for (size_t i = 1; i < length; i++)
        if (!is_name_char(text[i]))
            return false;
    return true;
}

static bool is_end_or_port(const char *text, size_t length)
{
    return length == 0 || (*text == ':' && is_port(text + 1, length - 1));
}

/* IPv4, or IPv6 in brackets, each with a port or without one. */
static bool parse_node(struct piece node, struct client_address *address)
{
    const char *text = node.text, *end = text + node.length;
    if (node.length > 0 && *text == '[') {
        const char *bracket = memchr(text, ']', node.length);
        return bracket != NULL && memchr(text, ':', (size_t)(bracket - text)) != NULL &&
               client_address_parse(text + 1, (size_t)(bracket - text) - 1, address) &&
               is_end_or_port(bracket + 1, (size_t)(end - bracket) - 1);
    }
    const char *colon = memchr(text, ':', node.length);
    if (colon == NULL)
        colon = end;
    return client_address_parse(text, (size_t)(colon - text), address) &&
           is_end_or_port(colon, (size_t)(end - colon));
}

/* As proxies write it: also a bare IPv6 address. */
static bool parse_x_forwarded_for(struct piece entry, struct client_address *address)
{
    return client_address_parse(entry.text, entry.length, address) || parse_node(entry, address);
}

/* RFC 9110, 5.6.2 */
static bool is_token_char(char c)
{
    return is_name_char(c) || (c != '\0' && strchr("!#$%&'*+^`|~", c) != NULL);
}

static size_t token_length(const char *text, const char *end)
{
    size_t length = 0;
    while (text + length < end && is_token_char(text[length]))
        length++;
    return length;
}

/* Length of a quoted-string (RFC 9110, 5.6.4), its quotes included; 0: it is none. *escaped: a backslash is
 * in it. */
static size_t quoted_length(const char *text, const char *end, bool *escaped)
{
    *escaped = false;
    for (const char *at = text + 1; at < end; at++) {
        if (*at == '"')
            return (size_t)(at - text) + 1;
        if (*at == '\\') {
            *escaped = true;
            at++;
        }
    }
    return 0;
}

/* One forwarded-pair: moves *at behind it. False: it is malformed. */
static bool take_pair(const char **at, const char *end, struct piece *name, struct piece *value)
{
    bool escaped = false;
    *name = (struct piece){.text = *at, .length = token_length(*at, end)};
    const char *text = *at + name->length;
    if (name->length == 0 || text == end || *text != '=')
        return false;
    text++;
    bool quoted = text < end && *text == '"';
    size_t length = quoted ? quoted_length(text, end, &escaped) : token_length(text, end);
    if (length == 0)
        return false;
    /* Nothing in an address needs an escape; what has one is none. */
    *value = (struct piece){.text = text + quoted, .length = escaped ? 0 : length - 2 * (size_t)quoted};
    *at = text + length;
    return true;
}

/* RFC 7239, 4: [ forwarded-pair ] *( ";" [ forwarded-pair ] ), the `for` of which is the address. Each
 * parameter may be there once. */
static bool parse_forwarded(struct piece entry, struct client_address *address)
{
    const char *at = entry.text, *end = at + entry.length;
    bool found = false;
    while (at < end) {
        struct piece name, value;
        if (*at == ';') {
            at++;
            continue;
        }
        if (!take_pair(&at, end, &name, &value) || (at < end && *at != ';'))
            return false;
        if (name.length != 3 || strncasecmp(name.text, "for", 3) != 0)
            continue;
        if (found || !parse_node(value, address))
            return false;
        found = true;
    }
    return found;
}

static const struct {
    const char *name;
    bool quotes; /* commas between quotes are no separators */
    bool (*parse)(struct piece entry, struct client_address *address);
} headers[] = {
    [PROXY_X_FORWARDED_FOR] = {"X-Forwarded-For", false, parse_x_forwarded_for},
    [PROXY_FORWARDED] = {"Forwarded", true, parse_forwarded},
};

const char *proxy_header_name(enum proxy_header header)
{
    return headers[header].name;
}

static bool is_escaped(const char *line, const char *at)
{
    size_t backslashes = 0;
    while (at > line && at[-1] == '\\') {
        backslashes++;
        at--;
    }
    return backslashes % 2 == 1;
}

/* The last comma before `end`, outside quotes as seen from the right: what the last proxy wrote is whole,
 * whatever quotes a client left open before it. NULL: none. */
static const char *last_comma(const char *line, const char *end, bool quotes)
{
    bool inside = false;
    while (end > line) {
        end--;
        if (quotes && *end == '"' && !is_escaped(line, end))
            inside = !inside;
        else if (*end == ',' && !inside)
            return end;
    }
    return NULL;
}

/* Walks one line from its right end; *client moves on with each entry that a trusted hop wrote. False: the
 * walk has ended. */
static bool walk(const struct trusted_proxies *proxies, enum proxy_header header, const char *line,
                 struct client_address *client)
{
    const char *end = line + strlen(line), *comma;
    do {
        comma = last_comma(line, end, headers[header].quotes);
        struct piece entry = trim(comma != NULL ? comma + 1 : line, end);
        struct client_address before;
        if (entry.length > 0) { /* RFC 9110, 5.6.1.2: empty elements do not count */
            if (!trusted_proxies_have(proxies, client) || !headers[header].parse(entry, &before))
                return false;
            *client = before;
        }
        end = comma;
    } while (comma != NULL);
    return true;
}

struct client_address client_address_find(const struct trusted_proxies *proxies, enum proxy_header header,
                                          const char *const *lines, size_t count,
                                          const struct client_address *peer)
{
    struct client_address client = *peer;
    while (count > 0 && walk(proxies, header, lines[count - 1], &client))
        count--;
    return client;
}
