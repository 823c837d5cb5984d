#include "tests/lib/http.h"
#include "tests/lib/require.h"

#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/coverage.h"
#include "tests/lib/keep.h"
#include "tests/lib/wait.h"

#define DESCRIBE_MAX 700

struct connection {
    int fd;
    char *bytes; /* read and not yet used */
    size_t length, capacity;
    bool ended;
    uint64_t deadline_ms;
};

static struct connection *try_open(unsigned port)
{
    struct connection *connection = keep_alloc(sizeof(*connection));
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        http_close(connection);
        return NULL;
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connection;
}

struct connection *http_open(unsigned port)
{
    struct connection *connection = try_open(port);
    REQUIRE(connection, "connect to port %u: %s", port, strerror(errno));
    return connection;
}

void http_close(struct connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    free(connection->bytes);
    connection->bytes = NULL;
    connection->length = connection->capacity = 0;
}

bool http_write(struct connection *connection, const char *bytes, size_t length)
{
    uint64_t deadline = wait_now_ms() + HTTP_TIMEOUT_MS;
    while (length > 0) {
        ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return false;
        uint64_t now = wait_now_ms();
        struct pollfd watched = {.fd = connection->fd, .events = POLLOUT};
        if (now >= deadline || poll(&watched, 1, (int)(deadline - now)) == 0)
            return false;
    }
    return true;
}

void http_end_writing(struct connection *connection)
{
    (void)shutdown(connection->fd, SHUT_WR); /* fails where the server has closed: then it is said already */
}

/* Reads more bytes; false at the end, at the deadline, on a reset. */
static bool fill(struct connection *connection)
{
    uint64_t now = wait_now_ms();
    struct pollfd watched = {.fd = connection->fd, .events = POLLIN};
    if (connection->ended || now >= connection->deadline_ms ||
        poll(&watched, 1, (int)(connection->deadline_ms - now)) <= 0)
        return false;
    if (connection->capacity - connection->length < 65536) {
        connection->capacity = connection->capacity * 2 + 131072;
        connection->bytes = realloc(connection->bytes, connection->capacity);
        if (!connection->bytes)
            abort();
    }
    ssize_t got = recv(connection->fd, connection->bytes + connection->length,
                       connection->capacity - connection->length, 0);
    if (got <= 0) {
        connection->ended = true;
        return false;
    }
    connection->length += (size_t)got;
    return true;
}

static void use(struct connection *connection, size_t length)
{
    memmove(connection->bytes, connection->bytes + length, connection->length - length);
    connection->length -= length;
}

/* The next bytes up to and with `end`, kept; NULL if they never come. */
static char *take_until(struct connection *connection, const char *end)
{
    char *found;
    while (!connection->bytes || !(found = memmem(connection->bytes, connection->length, end, strlen(end))))
        if (!fill(connection))
            return NULL;
    size_t length = (size_t)(found - connection->bytes) + strlen(end);
    char *taken = keep_copy(connection->bytes, length);
    use(connection, length);
    return taken;
}

static char *take(struct connection *connection, size_t length)
{
    while (connection->length < length)
        if (!fill(connection))
            return NULL;
    char *taken = keep_copy(connection->bytes, length);
    use(connection, length);
    return taken;
}

static bool read_chunked(struct connection *connection, struct reply *reply)
{
    char *body = keep_copy("", 0);
    size_t length = 0;
    for (;;) {
        char *line = take_until(connection, "\r\n");
        if (!line)
            return false;
        size_t size = strtoul(line, NULL, 16);
        char *chunk = take(connection, size + 2);
        if (!chunk || memcmp(chunk + size, "\r\n", 2) != 0)
            return false;
        if (size == 0)
            break;
        char *both = keep_alloc(length + size + 1);
        memcpy(both, body, length);
        memcpy(both + length, chunk, size);
        body = both;
        length += size;
    }
    reply->body = body;
    reply->length = length;
    return true;
}

static bool read_body(struct connection *connection, struct reply *reply)
{
    const char *coding = http_header(reply, "Transfer-Encoding");
    const char *length = http_header(reply, "Content-Length");
    if (coding && strcasecmp(coding, "chunked") == 0)
        return read_chunked(connection, reply);
    if (length) {
        reply->length = strtoul(length, NULL, 10);
        reply->body = take(connection, reply->length);
        return reply->body != NULL;
    }
    while (fill(connection))
        ;
    reply->length = connection->length;
    reply->body = take(connection, reply->length);
    return connection->ended;
}

bool http_read_continue(struct connection *connection)
{
    connection->deadline_ms = wait_now_ms() + HTTP_TIMEOUT_MS;
    const char *head = take_until(connection, "\r\n\r\n");
    return head && strncmp(head, "HTTP/1.1 100 ", 13) == 0;
}

struct reply *http_read(struct connection *connection, bool head_only)
{
    struct reply *reply = keep_alloc(sizeof(*reply));
    reply->request = "";
    reply->body = "";
    reply->trouble = "closed, reset or too late before the head's end";
    connection->deadline_ms = wait_now_ms() + HTTP_TIMEOUT_MS;
    unsigned status = 0;
    do { /* 100 Continue is not the answer */
        reply->head = take_until(connection, "\r\n\r\n");
        if (!reply->head)
            return reply;
        if (sscanf(reply->head, "HTTP/1.%*1[01] %3u", &status) != 1) {
            reply->trouble = "the status line is not HTTP/1.x";
            return reply;
        }
    } while (status == 100);
    if (!head_only && status != 204 && status != 304 && !read_body(connection, reply)) {
        reply->trouble = "closed, reset or too late before the body's end";
        return reply;
    }
    reply->status = status;
    reply->trouble = NULL;
    const char *connection_field = http_header(reply, "Connection");
    reply->closed = connection_field && strcasecmp(connection_field, "close") == 0;
    if (reply->length > 0)
        reply->json = json_tokener_parse(reply->body);
    return reply;
}

bool http_closed(struct connection *connection, unsigned timeout_ms)
{
    connection->deadline_ms = wait_now_ms() + timeout_ms;
    size_t before = connection->length;
    return !fill(connection) && connection->ended && connection->length == before;
}

bool http_silent(struct connection *connection, unsigned timeout_ms)
{
    connection->deadline_ms = wait_now_ms() + timeout_ms;
    return connection->length == 0 && !fill(connection) && !connection->ended;
}

const char *http_header(const struct reply *reply, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = reply->head; line && (line = strstr(line, "\r\n"));) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const char *value = line + length + 1;
        value += strspn(value, " \t");
        return keep_copy(value, strcspn(value, "\r"));
    }
    return NULL;
}

const char *http_describe(const struct reply *reply)
{
    if (reply->status == 0)
        return keep_format("%.*s -> no answer (%s)", DESCRIBE_MAX, reply->request, reply->trouble);
    return keep_format("%.*s -> %u %.*s", DESCRIBE_MAX, reply->request, reply->status, DESCRIBE_MAX,
                       reply->body);
}

static struct reply *ask(unsigned port, const char *bytes, size_t length, bool head_only)
{
    struct connection *connection = try_open(port);
    if (!connection) {
        struct reply *none = keep_alloc(sizeof(*none));
        none->body = "";
        none->trouble = "the connection was refused";
        return none;
    }
    /* A server that refuses early may close before all is written: its answer counts. */
    bool written = http_write(connection, bytes, length);
    struct reply *reply = http_read(connection, head_only);
    http_close(connection);
    if (!written && reply->status == 0)
        reply->trouble = "the request could not be written";
    return reply;
}

struct reply *http_send(unsigned port, const struct http_request *request)
{
    size_t length = request->body_length > 0 ? request->body_length
                    : request->body          ? strlen(request->body)
                                             : 0;
    char *head = keep_format("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n%s",
                             request->method, request->path, port, request->headers ? request->headers : "");
    if (request->body)
        head = keep_format("%s%sContent-Length: %zu\r\n", head,
                           request->no_content_type ? "" : "Content-Type: application/json\r\n", length);
    size_t head_length = strlen(head);
    char *bytes = keep_alloc(head_length + 2 + length + 1);
    memcpy(bytes, head, head_length);
    memcpy(bytes + head_length, "\r\n", 2);
    if (length > 0)
        memcpy(bytes + head_length + 2, request->body, length);

    struct reply *reply = ask(port, bytes, head_length + 2 + length, strcmp(request->method, "HEAD") == 0);
    reply->request =
        keep_format("%s %s %s", request->method, request->path, request->body ? request->body : "");
    coverage_note(request->method, request->path, reply->status);
    return reply;
}
