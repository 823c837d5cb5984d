/*
 * Every outcome a request can have, in one table: what engines answer and what the gateway shows. Numbers go
 * over the wire: never reused. Shown as application/problem+json (RFC 9457).
 */
#pragma once

#include <stdint.h>

/*       number NAME                  HTTP  code                    field (NULL: none)  detail */
#define STATUS_TABLE(X)                                                                                      \
    X(0, OK, 200, "ok", NULL, "done")                                                                        \
    X(1, DEFERRED, 202, "deferred", NULL, "will be answered to a collect")                                   \
    X(2, EXPIRED, 503, "deadline_exceeded", NULL, "the request could not be decided before its deadline")    \
    X(3, OVERLOADED, 503, "overloaded", NULL, "the server has too much to do; try again")                    \
    X(4, STORAGE_UNAVAILABLE, 503, "storage_unavailable", NULL,                                              \
      "the storage of this part cannot be written now")                                                      \
    X(5, ENGINE_UNAVAILABLE, 503, "engine_unavailable", NULL,                                                \
      "the part of the server that decides this is not there")                                               \
    X(6, POISONOUS, 503, "request_failed", NULL, "the request could not be decided")                         \
    X(7, BAD_FRAME, 500, "bad_frame", NULL, "gateway and engine do not understand each other")               \
    X(8, DEPENDENCY_UNAVAILABLE, 503, "dependency_unavailable", NULL,                                        \
      "another part of the server that this needs is not there")                                             \
    X(10, KEY_REUSED, 422, "idempotency_key_reused", NULL,                                                   \
      "this Idempotency-Key was used for a different request")                                               \
    X(11, TOO_MANY_KEYS, 429, "too_many_idempotency_keys", NULL,                                             \
      "too many Idempotency-Keys are remembered; try later")                                                 \
    X(12, INVALID_CURSOR, 400, "invalid_cursor", "after", "is not a cursor of this list")                    \
    X(20, USER_NOT_FOUND, 404, "user_not_found", NULL, "no such user")                                       \
    X(21, USERNAME_TAKEN, 409, "username_taken", "username", "this username is taken")                       \
    X(27, INVALID_CREDENTIALS, 401, "invalid_credentials", NULL, "no such user, or not this password")       \
    X(28, WRONG_PASSWORD, 403, "wrong_password", "old_password", "is not the password that is set")          \
    X(30, SUBREDDIT_NOT_FOUND, 404, "subreddit_not_found", NULL, "no such subreddit")                        \
    X(31, SUBREDDIT_EXISTS, 409, "subreddit_exists", "name", "a subreddit of this name exists")              \
    X(32, ALREADY_MEMBER, 409, "already_member", NULL, "the user is a member already")                       \
    X(33, NOT_MEMBER, 409, "not_member", NULL, "the user is not a member")                                   \
    X(40, POST_NOT_FOUND, 404, "post_not_found", NULL, "no such post")                                       \
    X(50, COMMENT_NOT_FOUND, 404, "comment_not_found", NULL, "no such comment")                              \
    X(51, PARENT_NOT_FOUND, 404, "parent_not_found", "parent_id", "no such parent comment")                  \
    X(52, PARENT_OF_OTHER_POST, 400, "parent_of_other_post", "parent_id",                                    \
      "the parent comment belongs to another post")                                                          \
    X(53, COMMENT_TOO_DEEP, 400, "comment_too_deep", "parent_id", "comments nest 50 deep at most")           \
    X(60, MESSAGE_NOT_FOUND, 404, "message_not_found", NULL, "no such message")                              \
    X(61, REPLY_NOT_FOUND, 404, "reply_to_not_found", "reply_to_id", "no such message to reply to")          \
    X(62, REPLY_OUTSIDE, 400, "reply_outside_conversation", "reply_to_id",                                   \
      "the message replied to is not in this conversation")                                                  \
    X(63, UP_TO_OUTSIDE, 400, "message_outside_conversation", "up_to",                                       \
      "this message is not in the conversation")                                                             \
    /* Said by the gateway alone */                                                                          \
    X(100, BAD_REQUEST, 400, "bad_request", NULL, "the request is malformed")                                \
    X(101, INVALID_JSON, 400, "invalid_json", NULL, "the body is not valid JSON")                            \
    X(102, INVALID_FIELDS, 400, "invalid_fields", NULL, "fields are missing or invalid; errors names each")  \
    X(103, INVALID_KEY, 400, "invalid_idempotency_key", NULL,                                                \
      "Idempotency-Key is 1 to 64 visible ASCII characters")                                                 \
    X(104, NOT_FOUND, 404, "not_found", NULL, "no such route")                                               \
    X(105, METHOD_NOT_ALLOWED, 405, "method_not_allowed", NULL,                                              \
      "this route does not take this method; see Allow")                                                     \
    X(106, UNAUTHENTICATED, 401, "authentication_required", NULL, "this needs a user")                       \
    X(107, INVALID_TOKEN, 401, "invalid_token", NULL, "the token is not valid")                              \
    X(108, FORBIDDEN, 403, "forbidden", NULL, "this is not yours")                                           \
    X(109, BODY_TOO_LARGE, 413, "body_too_large", NULL, "the body is over 256 KiB")                          \
    X(110, URI_TOO_LONG, 414, "uri_too_long", NULL, "the request target is over 8192 bytes")                 \
    X(111, UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", NULL,                                      \
      "the body must be application/json, and not compressed")                                               \
    X(112, EXPECTATION_FAILED, 417, "expectation_failed", NULL, "only Expect: 100-continue is understood")   \
    X(113, HEADERS_TOO_LARGE, 431, "headers_too_large", NULL, "the request head is over 16 KiB")             \
    X(114, NOT_IMPLEMENTED, 501, "not_implemented", NULL,                                                    \
      "this method or transfer coding is not implemented")                                                   \
    X(115, LENGTH_REQUIRED, 411, "length_required", NULL,                                                    \
      "the body needs a Content-Length or chunked coding")                                                   \
    X(116, REQUEST_TIMEOUT, 408, "request_timeout", NULL, "the request did not arrive in time")              \
    X(117, NOT_SUPPORTED, 400, "not_supported", NULL, "this server does not do this yet")                    \
    X(118, VERSION_NOT_SUPPORTED, 505, "http_version_not_supported", NULL,                                   \
      "HTTP/1.0 and HTTP/1.1 are understood")                                                                \
    X(119, REPLY_TOO_LARGE, 503, "reply_too_large", NULL, "the answer does not fit; ask for fewer")          \
    X(125, SESSIONS_UNKNOWN, 503, "sessions_unknown", NULL,                                                  \
      "it is not known now whether this token was ended; try again")                                         \
    X(130, INVALID_SIGNATURE, 400, "invalid_signature", "signature",                                         \
      "the signature does not verify with the author's key over what is posted")                             \
    X(131, NO_PUBLIC_KEY, 400, "no_public_key", "signature", "the author has registered no public key")      \
    X(132, OTHER_KEY_ALGORITHM, 400, "other_key_algorithm", "signature_algorithm",                           \
      "the author's key is of another algorithm")                                                            \
    X(140, RATE_LIMITED, 429, "rate_limited", NULL, "too many requests; see Retry-After")                    \
    X(141, TOO_MANY_FAILURES, 429, "too_many_failures", NULL,                                                \
      "too many wrong passwords; the next may be tried after Retry-After")

enum status {
#define X(number, NAME, http, code, field, detail) STATUS_##NAME = number,
    STATUS_TABLE(X)
#undef X
};

struct status_row {
    uint16_t number;
    uint16_t http;
    const char *code;   /* stable, snake_case */
    const char *field;  /* the field of the request that it is about, or NULL */
    const char *detail; /* one sentence */
};

/* An unknown number (a newer engine's) gives the row of BAD_FRAME. */
const struct status_row *status_row(uint16_t number);
