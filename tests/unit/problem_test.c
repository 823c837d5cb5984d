#include <criterion/criterion.h>

#include <ctype.h>
#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#include <stdbool.h>
#include <string.h>

#include "common/attributes.h"
#include "gateway/problem.h"

static const enum status all[] = {
#define X(number, NAME, http, code, field, detail) STATUS_##NAME,
    STATUS_TABLE(X)
#undef X
};

static void expect_problem(enum status status, const char *detail, const struct field_errors *errors,
                           const char *expected)
{
    struct text out = {0};
    problem_encode(&out, status, detail, errors);
    cr_expect_eq(out.length, strlen(expected));
    cr_expect_arr_eq(out.bytes, expected, strlen(expected), "%.*s\n   instead of\n%s", (int)out.length,
                     out.bytes, expected);
    text_dispose(&out);
}

Test(problem, has_all_members_of_rfc_9457)
{
    expect_problem(STATUS_POST_NOT_FOUND, NULL, NULL,
                   "{\"type\":\"/problems/post_not_found\",\"title\":\"Not Found\",\"status\":404,"
                   "\"detail\":\"no such post\",\"code\":\"post_not_found\"}");
}

Test(problem, takes_another_detail_and_escapes_it)
{
    expect_problem(STATUS_BAD_REQUEST, "no \"x\"\n", NULL,
                   "{\"type\":\"/problems/bad_request\",\"title\":\"Bad Request\",\"status\":400,"
                   "\"detail\":\"no \\\"x\\\"\\n\",\"code\":\"bad_request\"}");
}

Test(problem, names_the_field_a_status_is_about)
{
    expect_problem(
        STATUS_USERNAME_TAKEN, NULL, NULL,
        "{\"type\":\"/problems/username_taken\",\"title\":\"Conflict\",\"status\":409,"
        "\"detail\":\"this username is taken\",\"code\":\"username_taken\",\"errors\":"
        "[{\"field\":\"username\",\"code\":\"username_taken\",\"detail\":\"this username is taken\"}]}");
}

Test(problem, names_every_bad_field)
{
    struct field_errors errors = {
        .rows = {{"title", "required", "must be given"}, {"url", "too_long", "is long"}}, .count = 2};
    expect_problem(
        STATUS_INVALID_FIELDS, NULL, &errors,
        "{\"type\":\"/problems/invalid_fields\",\"title\":\"Bad Request\",\"status\":400,"
        "\"detail\":\"fields are missing or invalid; errors names each\",\"code\":\"invalid_fields\","
        "\"errors\":[{\"field\":\"title\",\"code\":\"required\",\"detail\":\"must be given\"},"
        "{\"field\":\"url\",\"code\":\"too_long\",\"detail\":\"is long\"}]}");
}

Test(problem, says_what_is_wrong_with_a_body_that_has_no_fields)
{
    struct field_errors errors = {.rows = {{NULL, "invalid_json", "the body is empty"}}, .count = 1};
    expect_problem(STATUS_INVALID_JSON, NULL, &errors,
                   "{\"type\":\"/problems/invalid_json\",\"title\":\"Bad Request\",\"status\":400,"
                   "\"detail\":\"the body is empty\",\"code\":\"invalid_json\"}");
}

Test(problem, takes_no_errors_for_none)
{
    struct field_errors errors = {.count = 0};
    expect_problem(STATUS_NOT_FOUND, NULL, &errors,
                   "{\"type\":\"/problems/not_found\",\"title\":\"Not Found\",\"status\":404,"
                   "\"detail\":\"no such route\",\"code\":\"not_found\"}");
}

Test(problem, is_json_with_a_title_for_every_status)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct text out = {0};
        problem_encode(&out, all[i], NULL, NULL);
        text_append(&out, "", 1);
        json_object *problem = json_tokener_parse(out.bytes);
        cr_assert(json_object_is_type(problem, json_type_object), "%s", out.bytes);
        const struct status_row *row = status_row(all[i]);
        cr_expect_eq(json_object_get_int(json_object_object_get(problem, "status")), row->http);
        cr_expect_str_neq(problem_title(row->http), "Unknown", "%u has no title", row->http);
        json_object_put(problem);
        text_dispose(&out);
    }
}

Test(problem, codes_and_numbers_of_statuses_are_unique_and_snake_case)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const struct status_row *row = status_row(all[i]);
        cr_expect_eq(row->number, all[i]);
        for (const char *c = row->code; *c != '\0'; c++)
            cr_expect(islower((unsigned char)*c) || *c == '_', "%s", row->code);
        for (size_t j = 0; j < i; j++) {
            cr_expect_neq(all[i], all[j]);
            cr_expect_str_neq(row->code, status_row(all[j])->code);
        }
    }
}

Test(problem, an_unknown_number_is_shown_as_a_misunderstanding)
{
    cr_expect_eq(status_row(65535)->number, STATUS_BAD_FRAME);
}
