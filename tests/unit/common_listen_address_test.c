#include <criterion/criterion.h>

#include "common/listen_address.h"

Test(listen_address, takes_ipv4_ipv6_and_localhost_with_a_port)
{
    static const struct {
        const char *text;
        unsigned port;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:8080", 8080, true}, {"127.3.2.1:1", 1, true},        {"[::1]:65535", 65535, true},
        {"localhost:80", 80, true},     {"0.0.0.0:8080", 8080, false},   {"[::]:8080", 8080, false},
        {"192.0.2.1:99", 99, false},    {"[2001:db8::1]:99", 99, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_assert_eq(listen_address_port(rows[i].text), rows[i].port, "%s", rows[i].text);
        cr_assert_eq(listen_address_is_loopback(rows[i].text), rows[i].loopback, "%s", rows[i].text);
    }
}

Test(listen_address, refuses_what_is_not_an_address_and_a_port)
{
    static const char *const rows[] = {
        "",           "127.0.0.1",      "127.0.0.1:",      ":8080",
        "::1:8080",   "[]:8080",        "[::1:8080",       "127.0.0.1:0",
        "1.2.3.4:-1", "1.2.3.4:70000",  "1.2.3.4:8080x",   "127.0.0.1:+80",
        "1.2.3:4:5",  "1.2.3.400:8080", "127.0.0.1: 8080", "127.0.0.1:4294967376"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_assert_null(listen_address_resolve(rows[i]), "%s", rows[i]);
        cr_assert_eq(listen_address_port(rows[i]), 0, "%s", rows[i]);
        cr_assert_not(listen_address_is_loopback(rows[i]), "%s", rows[i]);
    }
}
