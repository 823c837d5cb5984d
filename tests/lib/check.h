/* Assertions about answers; each message shows the request and the answer. */
#pragma once

#include <criterion/criterion.h>

#include "tests/lib/http.h"
#include "tests/lib/json.h"

/* NULL when the answer is a problem of RFC 9457 with this status and code (NULL: any), else what is wrong. */
const char *check_problem(const struct reply *reply, unsigned status, const char *code) MUST_USE;
/* NULL when `errors` names this field with this code (NULL: any), else what is wrong. */
const char *check_field_error(const struct reply *reply, const char *field, const char *code) MUST_USE;
/* NULL when status, content type and the headers that every answer has are right. */
const char *check_success(const struct reply *reply, unsigned status) MUST_USE;

#define CHECK_NOTHING_WRONG(expression)                                                                      \
    do {                                                                                                     \
        const char *wrong_ = (expression);                                                                   \
        cr_assert(!wrong_, "%s", wrong_);                                                                    \
    } while (0)
#define CHECK_OK(answer)                       CHECK_NOTHING_WRONG(check_success(answer, 200))
#define CHECK_CREATED(answer)                  CHECK_NOTHING_WRONG(check_success(answer, 201))
#define CHECK_PROBLEM(answer, status, code)    CHECK_NOTHING_WRONG(check_problem(answer, status, code))
#define CHECK_FIELD_ERROR(answer, field, code) CHECK_NOTHING_WRONG(check_field_error(answer, field, code))

#define CHECK_STATUS(answer, expected)                                                                       \
    do {                                                                                                     \
        const struct reply *reply_ = (answer);                                                               \
        cr_assert(reply_->status == (expected), "%s (not %u)", http_describe(reply_), (unsigned)(expected)); \
    } while (0)
#define CHECK_TEXT(answer, path, expected)                                                                   \
    do {                                                                                                     \
        const struct reply *reply_ = (answer);                                                               \
        const char *text_ = json_text(reply_, path);                                                         \
        cr_assert_str_eq(text_, expected, "%s is \"%s\", not \"%s\": %s", path, text_, expected,             \
                         http_describe(reply_));                                                             \
    } while (0)
#define CHECK_NUMBER(answer, path, expected)                                                                 \
    do {                                                                                                     \
        const struct reply *reply_ = (answer);                                                               \
        long long number_ = (long long)json_number(reply_, path);                                            \
        cr_assert(number_ == (long long)(expected), "%s is %lld, not %lld: %s", path, number_,               \
                  (long long)(expected), http_describe(reply_));                                             \
    } while (0)
#define CHECK_NULL(answer, path)                                                                             \
    do {                                                                                                     \
        const struct reply *reply_ = (answer);                                                               \
        cr_assert(json_is_null(reply_, path), "%s is not null: %s", path, http_describe(reply_));            \
    } while (0)
