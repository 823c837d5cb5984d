/*
 * Sees every byte of a connection before evhttp does, and is strict where evhttp is not (RFC 9112): request
 * line, field syntax, exactly one valid Host, one way to tell where the body ends, chunked framing, limits.
 * It follows body framing too, so that it always knows where the next head begins. Knows bytes only: neither
 * libevent nor sockets. One per connection; worker's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/status.h"

#define HEAD_BLANK_LINES_MAX     2  /* before a request */
#define HEAD_METHOD_MAX          16 /* a longer one is none that we know */
#define HEAD_CHUNK_DIGITS_MAX    16
#define HEAD_EXTENSION_BYTES_MAX 4096 /* chunk extensions of one body */
#define HEAD_TRAILER_BYTES_MAX   4096

struct head_checker;

struct head_checker *head_checker_new(void) MUST_USE;
void head_checker_free(struct head_checker *checker);

enum head_verdict {
    HEAD_MORE,    /* all bytes are fine so far */
    HEAD_REFUSED, /* answer head_checker_status and close; not one byte of this request may reach a handler */
};
/* Feeds the next bytes. After HEAD_REFUSED nothing more may be fed. */
enum head_verdict head_checker_feed(struct head_checker *checker, const char *bytes, size_t length) MUST_USE;
/*
 * As feed, for whoever stands in front of evhttp: takes out, moving the rest down, what HTTP allows and
 * evhttp cannot read - empty lines before a request, a target's scheme and host, tabs before a value, chunk
 * extensions, trailers.
 * *length: how many bytes there are; then, how many are left - when refused, of those before the bad one.
 */
enum head_verdict head_checker_filter(struct head_checker *checker, char *bytes, size_t *length) MUST_USE;
enum status head_checker_status(const struct head_checker *checker);
const char *head_checker_detail(const struct head_checker *checker); /* one sentence: which rule */

/* For deadlines and tests: what the connection is in the middle of. */
enum head_phase { HEAD_PHASE_IDLE, HEAD_PHASE_HEAD, HEAD_PHASE_BODY };
enum head_phase head_checker_phase(const struct head_checker *checker);
/* Requests whose head was seen to its end, and whose body was. */
uint64_t head_checker_heads(const struct head_checker *checker);
uint64_t head_checker_requests(const struct head_checker *checker);
