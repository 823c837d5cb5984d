#include "deploy/forumctl/fetch.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "common/fatal.h"
#include "common/listen_address.h"

struct fetching {
    enum fetch_result result;
    char *body;
};

static void on_done(struct evhttp_request *request, void *arg)
{
    struct fetching *fetching = arg;
    if (request == NULL || evhttp_request_get_response_code(request) == 0) {
        fetching->result = FETCH_REFUSED;
        return;
    }
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t length = evbuffer_get_length(input);
    fetching->body = xmalloc(length + 1);
    (void)evbuffer_copyout(input, fetching->body, length);
    fetching->body[length] = '\0';
    fetching->result = FETCH_DONE;
}

/* As text; `out` has NI_MAXHOST bytes. */
static unsigned short host_of(const char *listen, char *out)
{
    struct addrinfo *info = listen_address_resolve(listen);
    if (info == NULL)
        fatal_exit(EXIT_USAGE, "--listen %s is not an address and port", listen);
    bool any = info->ai_family == AF_INET6
                   ? IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_addr)
                   : ((struct sockaddr_in *)(void *)info->ai_addr)->sin_addr.s_addr == htonl(INADDR_ANY);
    if (any)
        strcpy(out, info->ai_family == AF_INET6 ? "::1" : "127.0.0.1");
    else if (getnameinfo(info->ai_addr, info->ai_addrlen, out, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) != 0)
        fatal_exit(EXIT_USAGE, "--listen %s cannot be connected to", listen);
    freeaddrinfo(info);
    return (unsigned short)listen_address_port(listen);
}

enum fetch_result fetch(const char *listen, const char *path, uint64_t timeout_ms, char **body)
{
    char host[NI_MAXHOST];
    unsigned short port = host_of(listen, host);
    struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
                            .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
    struct fetching fetching = {.result = FETCH_SILENT};
    struct event_base *base = event_base_new();
    ensure(base != NULL);
    struct evhttp_connection *connection = evhttp_connection_base_new(base, NULL, host, port);
    ensure(connection != NULL);
    evhttp_connection_set_retries(connection, 0);
    struct evhttp_request *request = evhttp_request_new(on_done, &fetching);
    ensure(request != NULL);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", host);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
    if (event_base_loopexit(base, &limit) != 0 ||
        evhttp_make_request(connection, request, EVHTTP_REQ_GET, path) != 0)
        fetching.result = FETCH_REFUSED;
    else
        while (fetching.result == FETCH_SILENT && !event_base_got_exit(base))
            (void)event_base_loop(base, EVLOOP_ONCE);
    evhttp_connection_free(connection);
    event_base_free(base);
    *body = fetching.body;
    return fetching.result;
}
