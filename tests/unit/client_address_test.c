#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "common/limits.h"
#include "gateway/client_address.h"
#include "tests/unit/seed.h"

#define LINES_MAX 4

static struct client_address address(const char *text)
{
    struct client_address out = {{0}};
    cr_assert(client_address_parse(text, strlen(text), &out), "%s", text);
    return out;
}

static const char *text_of(struct client_address of)
{
    static char text[CLIENT_ADDRESS_TEXT];
    return client_address_format(&of, text);
}

static struct trusted_proxies *proxies(const char *list)
{
    const char *wrong = "";
    size_t length = 0;
    struct trusted_proxies *out = trusted_proxies_parse(list, &wrong, &length);
    cr_assert(out, "\"%s\" at \"%.*s\"", list, (int)length, wrong);
    return out;
}

static bool trusts(const char *list, const char *who)
{
    struct trusted_proxies *on_list = proxies(list);
    struct client_address peer = address(who);
    bool trusted = trusted_proxies_have(on_list, &peer);
    free(on_list);
    return trusted;
}

/* A request through proxies in 10.0.0.0/8 or fd00::/8, from 10.0.0.1 if nothing else is said. */
struct walk_case {
    const char *lines[LINES_MAX];
    const char *client;
    const char *peer;
};

static void check_walks(enum proxy_header header, const struct walk_case *cases, size_t count)
{
    struct trusted_proxies *trusted = proxies("10.0.0.0/8,fd00::/8");
    for (size_t i = 0; i < count; i++) {
        struct client_address peer = address(cases[i].peer ? cases[i].peer : "10.0.0.1");
        size_t lines = 0;
        while (lines < LINES_MAX && cases[i].lines[lines])
            lines++;
        const char *client = text_of(client_address_find(trusted, header, cases[i].lines, lines, &peer));
        cr_expect_str_eq(client, cases[i].client, "case %zu, %s: %s is not %s", i,
                         lines ? cases[i].lines[0] : "no line", client, cases[i].client);
    }
    free(trusted);
}

Test(client_address, of_a_socket_is_the_same_for_ipv4_and_its_mapped_form)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6}, six = {.sin6_family = AF_INET6};
    cr_assert_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr), 1);
    cr_assert_eq(inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr), 1);
    cr_expect_str_eq(text_of(client_address_of((struct sockaddr *)&four)), "192.0.2.1");
    cr_expect_str_eq(text_of(client_address_of((struct sockaddr *)&mapped)), "192.0.2.1");
    cr_expect_str_eq(text_of(client_address_of((struct sockaddr *)&six)), "2001:db8::1");
}

Test(client_address, of_a_socket_without_one_is_unknown)
{
    struct sockaddr local = {.sa_family = AF_UNIX};
    cr_expect_str_eq(text_of(client_address_of(&local)), "unknown");
    cr_expect_str_eq(text_of(client_address_of(NULL)), "unknown");
}

Test(client_address, is_read_strictly)
{
    static const char *const bad[] = {"",
                                      "1.2.3",
                                      "1.2.3.4.5",
                                      "1.2.3.256",
                                      "01.2.3.4",
                                      "1.2.3.4 ",
                                      " 1.2.3.4",
                                      "0x7f.0.0.1",
                                      "127.1",
                                      "2001:db8::1::2",
                                      "fe80::1%lo",
                                      "[::1]",
                                      "localhost",
                                      "1.2.3.4\t",
                                      "::12345",
                                      "1.2.3.-4",
                                      "::ffff:1.2.3.4.5.6.7.8.9.10.11.12.13.14.15"};
    struct client_address out;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_expect(!client_address_parse(bad[i], strlen(bad[i]), &out), "%s", bad[i]);
    cr_expect(!client_address_parse("1.2.3.4\0005", 8, &out));
    cr_expect_str_eq(text_of(address("::FFFF:9.8.7.6")), "9.8.7.6");
}

Test(client_address, of_one_customer_is_an_ipv4_address_or_a_64_of_ipv6)
{
    struct client_address four = address("192.0.2.77"), six = address("2001:db8:1:2:3:4:5:6");
    cr_expect_str_eq(text_of(client_address_network(&four)), "192.0.2.77");
    cr_expect_str_eq(text_of(client_address_network(&six)), "2001:db8:1:2::");
}

Test(trusted_proxies, are_addresses_and_networks)
{
    static const char list[] = " 127.0.0.1 ,10.1.2.128/25,\t::1, 2001:db8:8000::/33,";
    static const struct {
        const char *who;
        bool trusted;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.0.0.2", false},
        {"10.1.2.127", false},
        {"10.1.2.128", true},
        {"10.1.2.255", true},
        {"10.1.3.128", false},
        {"::1", true},
        {"::2", false},
        {"2001:db8:8000::5", true},
        {"2001:db8:ffff::", true},
        {"2001:db8:7fff::", false},
        {"::ffff:127.0.0.1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(trusts(list, cases[i].who), cases[i].trusted, "%s", cases[i].who);
}

Test(trusted_proxies, by_a_network_of_one_family_do_not_reach_into_the_other)
{
    cr_expect(trusts("0.0.0.0/0", "9.9.9.9"));
    cr_expect(!trusts("0.0.0.0/0", "2001:db8::1"));
    cr_expect(trusts("::/0", "2001:db8::1"));
    cr_expect(!trusts("::/0", "9.9.9.9"));
}

Test(trusted_proxies, that_cannot_be_read_are_named)
{
    static const char *const bad[] = {"10.0.0.0/33",   "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1",
                                      "::/129",        "nginx",     "/8",          "1.2.3.4/08/8",
                                      "10.0.0.0/0008", "1.2.3.4:80"};
    const char *wrong;
    size_t length;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char list[64] = "127.0.0.1, ";
        strcat(strcat(list, bad[i]), ", ::1");
        cr_expect(!trusted_proxies_parse(list, &wrong, &length), "%s", bad[i]);
        cr_expect(length == strlen(bad[i]) && strncmp(wrong, bad[i], length) == 0, "%s", bad[i]);
    }
}

Test(trusted_proxies, are_bounded)
{
    char list[LIMIT_TRUSTED_PROXIES * 8 + 16] = "";
    const char *wrong;
    size_t length = 1;
    for (int i = 0; i < LIMIT_TRUSTED_PROXIES; i++)
        strcat(list, "::1,");
    free(proxies(list));
    cr_expect(!trusted_proxies_parse(strcat(list, "::1"), &wrong, &length));
    cr_expect_eq(length, 0);
}

Test(x_forwarded_for, is_walked_from_the_right_while_hops_are_trusted)
{
    static const struct walk_case cases[] = {
        {{NULL}, "10.0.0.1", NULL},
        {{"1.2.3.4"}, "1.2.3.4", NULL},
        {{"1.2.3.4"}, "1.2.3.4", "fd00::7"},
        {{"6.6.6.6, 1.2.3.4"}, "1.2.3.4", NULL},
        {{"6.6.6.6, 1.2.3.4, 10.0.0.2"}, "1.2.3.4", NULL},
        {{"6.6.6.6,1.2.3.4,10.0.0.3 ,\t10.0.0.2 "}, "1.2.3.4", NULL},
        {{"6.6.6.6", "1.2.3.4", "10.0.0.2"}, "1.2.3.4", NULL},
        {{"1.2.3.4, 10.0.0.3", "10.0.0.2"}, "1.2.3.4", NULL},
        {{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", NULL},
        {{"2001:db8::1, fd00::2"}, "2001:db8::1", NULL},
    };
    check_walks(PROXY_X_FORWARDED_FOR, cases, ARRAY_LEN(cases));
}

Test(x_forwarded_for, is_not_believed_from_others)
{
    static const struct walk_case cases[] = {
        {{"1.2.3.4"}, "9.9.9.9", "9.9.9.9"},
        {{"10.0.0.9"}, "9.9.9.9", "9.9.9.9"},
        {{"1.2.3.4, 10.0.0.9"}, "2001:db8::9", "2001:db8::9"},
        {{"1.2.3.4, 9.9.9.9"}, "9.9.9.9", NULL},
        {{"10.0.0.5, 9.9.9.9, 10.0.0.2"}, "9.9.9.9", NULL},
    };
    check_walks(PROXY_X_FORWARDED_FOR, cases, ARRAY_LEN(cases));
}

Test(x_forwarded_for, may_have_ports_and_empty_elements)
{
    static const struct walk_case cases[] = {
        {{"1.2.3.4:8080"}, "1.2.3.4", NULL},
        {{"[2001:db8::1]"}, "2001:db8::1", NULL},
        {{"[2001:db8::1]:443, 10.0.0.2:1"}, "2001:db8::1", NULL},
        {{"1.2.3.4, , ,"}, "1.2.3.4", NULL},
        {{"1.2.3.4", ""}, "1.2.3.4", NULL},
        {{""}, "10.0.0.1", NULL},
        {{" , ,"}, "10.0.0.1", NULL},
    };
    check_walks(PROXY_X_FORWARDED_FOR, cases, ARRAY_LEN(cases));
}

Test(x_forwarded_for, that_is_malformed_is_ignored_from_there)
{
    static const struct walk_case cases[] = {
        {{"unknown"}, "10.0.0.1", NULL},
        {{"1.2.3.4, unknown, 10.0.0.2"}, "10.0.0.2", NULL},
        {{"1.2.3.4, 10.0.0.3, 1.2.3"}, "10.0.0.1", NULL},
        {{"1.2.3.4", "nonsense", "10.0.0.2"}, "10.0.0.2", NULL},
        {{"1.2.3.4:"}, "10.0.0.1", NULL},
        {{"1.2.3.4:123456"}, "10.0.0.1", NULL},
        {{"1.2.3.4:8o"}, "10.0.0.1", NULL},
        {{"[1.2.3.4]"}, "10.0.0.1", NULL},
        {{"[2001:db8::1"}, "10.0.0.1", NULL},
        {{"[2001:db8::1]x"}, "10.0.0.1", NULL},
        {{"[]"}, "10.0.0.1", NULL},
        {{"1.2.3.4 5.6.7.8"}, "10.0.0.1", NULL},
        {{"\"1.2.3.4\""}, "10.0.0.1", NULL},
        {{"for=1.2.3.4"}, "10.0.0.1", NULL},
    };
    check_walks(PROXY_X_FORWARDED_FOR, cases, ARRAY_LEN(cases));
}

/* The examples of RFC 7239, sections 4 and 6.3, and what else its grammar allows. */
Test(forwarded, is_read_as_rfc_7239_says)
{
    static const struct walk_case cases[] = {
        {{"for=192.0.2.60;proto=http;by=203.0.113.43"}, "192.0.2.60", NULL},
        {{"For=\"[2001:db8:cafe::17]:4711\""}, "2001:db8:cafe::17", NULL},
        {{"for=192.0.2.43, for=198.51.100.17"}, "198.51.100.17", NULL},
        {{"for=192.0.2.43,for=\"[fd00:db8:cafe::17]\""}, "192.0.2.43", NULL},
        {{"for=192.0.2.43", "for=\"[fd00:db8:cafe::17]\""}, "192.0.2.43", NULL},
        {{"for=\"192.0.2.43:47011\""}, "192.0.2.43", NULL},
        {{"for=\"192.0.2.43:_obf.-9\""}, "192.0.2.43", NULL},
        {{"by=10.0.0.1;FOR=\"192.0.2.43\";host=example.com"}, "192.0.2.43", NULL},
        {{";;for=192.0.2.43;;"}, "192.0.2.43", NULL},
        {{"for=1.1.1.1, host=\"a,b\\\",c\";for=192.0.2.43"}, "192.0.2.43", NULL},
        {{"for=1.1.1.1, for=192.0.2.43;ext=\"x, for=2.2.2.2\", for=10.0.0.2"}, "192.0.2.43", NULL},
        {{"for=1.1.1.1;host=\"\", , for=10.0.0.2,"}, "1.1.1.1", NULL},
    };
    check_walks(PROXY_FORWARDED, cases, ARRAY_LEN(cases));
}

Test(forwarded, by_unknown_or_made_up_names_ends_at_the_hop_that_wrote_them)
{
    static const struct walk_case cases[] = {
        {{"for=unknown"}, "10.0.0.1", NULL},
        {{"for=1.1.1.1, for=_gazonk, for=10.0.0.2"}, "10.0.0.2", NULL},
        {{"for=\"_hidden:80\""}, "10.0.0.1", NULL},
        {{"for=1.1.1.1, proto=https"}, "10.0.0.1", NULL},
    };
    check_walks(PROXY_FORWARDED, cases, ARRAY_LEN(cases));
}

Test(forwarded, that_is_malformed_is_ignored_from_there)
{
    static const char *const bad[] = {
        "for=2001:db8::1",     /* IPv6 without brackets and quotes */
        "for=[2001:db8::1]",   /* without quotes */
        "for=\"2001:db8::1\"", /* without brackets */
        "for=192.0.2.43:80",   /* a port without quotes */
        "for=\"192.0.2.43",    /* an open quote */
        "for=192.0.2.43\"",
        "for=\"192.0.2.43\"x",
        "for=\"192.0.2.4\\3\"",
        "for= 192.0.2.43",
        "for =192.0.2.43",
        "for",
        "for=",
        "for=\"\"",
        "=192.0.2.43",
        "for=192.0.2.43 x",
        "for=192.0.2.43; by=x",
        "for=1.1.1.1;for=192.0.2.43",
        "for=192.0.2.43;by=\"",
        "for=192.0.2.43;/=x",
        "for=192.0.2.43;x",
        "forx=192.0.2.43",
        "for=\"[1.2.3.4]\"",
        "for=\"[::1\"",
        "for=\"192.0.2.43:_\"",
        "for=\"192.0.2.43:_a b\"",
        "192.0.2.43",
        "for=192.0.2.043",
        "for=\"[2001:db8::1]:\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct walk_case cases[] = {{{bad[i]}, "10.0.0.1", NULL},
                                    {{"for=1.1.1.1", bad[i]}, "10.0.0.1", NULL},
                                    {{bad[i], "for=10.0.0.2"}, "10.0.0.2", NULL}};
        check_walks(PROXY_FORWARDED, cases, ARRAY_LEN(cases));
    }
}

/* Proxies append to the client's line: nothing in it may change how what they wrote is read. */
Test(forwarded, cannot_be_forged_by_what_a_client_put_before_it)
{
    static const char *const forged[] = {"for=\"",
                                         "for=6.6.6.6, for=\"",
                                         "for=\"\\",
                                         "for=6.6.6.6;x=\"\\\"",
                                         "for=6.6.6.6, for=\"[::1]\", by=\"\\\\\"",
                                         "\"",
                                         "\\",
                                         ",,,;;;===",
                                         "for=10.0.0.9, for=10.0.0.9"};
    for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
        char quoted[128], plain[128];
        strcat(strcpy(quoted, forged[i]), ", for=\"[2001:db8::1]:80\"");
        strcat(strcpy(plain, forged[i]), ",for=192.0.2.43;host=\"a\\\"\", for=\"10.0.0.2:8\"");
        struct walk_case cases[] = {{{quoted}, "2001:db8::1", NULL}, {{plain}, "192.0.2.43", NULL}};
        check_walks(PROXY_FORWARDED, cases, ARRAY_LEN(cases));
    }
}

Test(forwarded, of_any_bytes_gives_the_peer_a_trusted_hop_or_an_address_that_stands_in_it)
{
    static const char alphabet[] = "for=\"[]:;,.\\ _unk1270 \tb";
    unsigned seed = seed_print();
    struct trusted_proxies *trusted = proxies("10.0.0.0/8");
    struct client_address peer = address("10.0.0.1"), real = address("192.0.2.43");
    for (int round = 0; round < 20000; round++) {
        char line[96];
        size_t length = (size_t)rand_r(&seed) % 64;
        for (size_t i = 0; i < length; i++)
            line[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        line[length] = '\0';
        const char *lines[] = {line};
        (void)!client_address_find(trusted, PROXY_X_FORWARDED_FOR, lines, 1, &peer).bytes[0];
        (void)!client_address_find(trusted, PROXY_FORWARDED, lines, 1, &peer).bytes[0];
        strcat(line, ",for=192.0.2.43");
        struct client_address found = client_address_find(trusted, PROXY_FORWARDED, lines, 1, &peer);
        cr_assert(memcmp(&found, &real, sizeof(real)) == 0, "round %d: %s", round, line);
    }
    free(trusted);
}
