/* Public keys and signatures, malformed in every way that a client could think of. */
#include "gateway/signature.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "tests/lib/signer.h"

#define BYTES_MAX 2048
#define TEXT_MAX  (BYTES_MAX * 2)

/* Made once by openssl genpkey. */
static const char rsa_key[] =
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAmTWL86PY65MhtE/9xor5mf4IQcSM1OgHdhBqlBKb63sMFsNX"
    "hoKoumRMgPjC55dGRY+ii+/VdmnZ5Eakinmr3rYrBur2Jzj0/umqsSbCn7CgqevYadoPH5EF/Xyc5/Vt0QlSa1FmAPy/"
    "/NPIVD8w3seHK7zx6Je5ZDaK8GkIS7yRb+aQ4scQrtLp1H2XG7i8exU5PwC7INbr3+PnIBWym46ZIqjIlj5sBekeXgGx"
    "bFY92aE4NG1dfL1aWJ5qlT2q4ajkh6q1FRG8OpuqeLzyeEll01rac963R9O3r/cd9yo8raZAO1tX+84uDUatZPLiqong"
    "VBUi6aAK8Y+wxy+4TwIDAQAB";
static const char ec_key[] =
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC8/uzeyL8hEnp5QAe8fitNijgrfqqGRUgeFi5usvtspUrG1S1t18sXeH"
    "zdi6nvGv2ehzZ+1FFBXle+CpWqz4OA==";
static const char ed_key[] = "MCowBQYDK2VwAyEAuG+yo2ioKz8TnXK8JflE4b6fNi9j/2EOhlywdKZf8qw=";

/* The same point as ec_key's. */
static const char ec_key_compressed[] =
    "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACC8/uzeyL8hEnp5QAe8fitNijgrfqqGRUgeFi5usvtso=";
static const char ec_key_hybrid[] =
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAGC8/uzeyL8hEnp5QAe8fitNijgrfqqGRUgeFi5usvtspUrG1S1t18sXeH"
    "zdi6nvGv2ehzZ+1FFBXle+CpWqz4OA==";
static const char ec_key_explicit[] =
    "MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////"
    "MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9Jg"
    "SwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n"
    "60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABHSVB3n0"
    "twBp+56my0F+9T6PVI/swfZA+91AoLF26f6td5sFeIKs8DCDaAKiHVtMT/GsvVMOdEloVAyyyjQ33H4="; /* P-256 by its
                                                                                           numbers */

static const char rsa_1024[] =
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDFKlwIP0fhh2v7DoZZe+1KfM1YUt//0WBJze9coRARzx7k6qYeEZ8w"
    "tq0lL0EBi+8EA6skTSivC2CEl3hHUt2WAjPMR/pXlB2uXipyLqyNqVPwi0gjaqjYpc3Zw2FKQRCKHKkdLT+Gz9mCa9Wv"
    "HuuvwIYmLIOL7dm+zd/AAT0bHwIDAQAB";
static const char rsa_2047[] =
    "MIIBITANBgkqhkiG9w0BAQEFAAOCAQ4AMIIBCQKCAQBb918KcoaBQQ636u96se8TidqtprfL9fc9qbodsXJdz/tT4tcX"
    "a57xHzBN8TeqDK6T72HUn3OSEWSvEE57UroiibeqvuNYb6kVIXIaDqA7u1gza1L++Iy6LpOurBPvzUn9W2Z4gsvDVSMv"
    "t3aQ7uNgdbYwcwcikgvaCu2+LDp7qgDmFXeAUDXylihFH0/5C5TeIGZ6KQmxD4rt7S4wBgrxUEbxHsD3DPNw1wVTx/M9"
    "BYEeIbbBWfxNFVck9RPjHsQ/HQQMI2YFESr494bVFsjnhpLNsSQdxsH3sBveWcr8QsGlHleNjy4TMxGLy1EgjWJ3WrMH"
    "7e5bgP1IFFZ1+4jnAgMBAAE=";
static const char rsa_3072[] =
    "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAtLiZqwQYgEenTtYGcvYUzDOOpdg+a+SUpA6e2mKOtIqDcpxF"
    "QS3SBdmS6O7JQPxNTLlU3ge2G0UiNLGD37RkUU4kX8T5RNA8Nn7V9d2eGOq2p9Wz9VHqNM+CcA9KlaLBHACRHLD7bd3c"
    "70WG0AS+m3DShU+F0wuchfpVSnEKxwU9vLlkh4d5nLSueF/JytITGqkVLTKSM8gOk5WtJ5Ib33Ofh8485MSxrspxaavl"
    "ARXuBtjiiHCOJ2kyQyPWPyHSVxlO7fD3byabiC85KWdTob2K2QKrR2vyZEzhkQrpkFt0vj/S88WZDtQBBdlsnuJskW+T"
    "pyykjXnkCtxgXBYGZXoCW4k5e/W+f5skmocAKLVUPgCZhTKnvrzT/Bbk2TsJPemi03waiAicAvjBfpCzdF4E89BJYm0s"
    "NfOTFByzOdMy7x2zZXT50MWq7HZLK2uehc9pqgAF/hXATJFqDC2EogOwOU2j1n6fVZeRyoy2vtutqdxJYgn070InZ60s"
    "1c/TAgMBAAE=";
static const char rsa_pss[] =
    "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBANgsggdedSozTXg46pAae7TDtpTzVSAsDBvf1VTp/+XnWwejXt0e"
    "i+1+LADIUzryxmN56Pd8WXVn813euxiYa62BTElTsHh6lFsZ/V2LE69l4C+MO31oAglmpoNxQJtZKtaVnry2gl0WXEzh"
    "e5VD7hOS376miX6EPCXv0rJIQa2YUUYr/hooX1ymkBlETtev6DNSpDZT5yYZDKvw+1GbsxxqjW8YiYSw99AnBSv1Cbyx"
    "LM+HxETfgg8F3nGzGvC18BYb7d7XvvmIORKF6ye8fVhjS5D/JDhrhwUV9VgPaHlLai1f16D37JKBbIIRW63Owq4daXUE"
    "zdtbtFNAaMMche0CAwEAAQ==";
static const char p384[] =
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEriXGlp+OCoklhDhihXcHyH4cmgQfCAz6yiwDyRdWqVjSMthkMkT9s9zfmndt"
    "Y0Qd5JbrafyopXGNT5VKM+KHfNjBkwZo5VUidJpqRsnw1c9ZyqbkPFmYkPJECXVNUH0J";
static const char secp256k1[] =
    "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAExqzqQcj/86abuyo0/IHjoXjmBuKCJVkXSKNrz06JovHmZuXg9+au3bznYUEl"
    "eaUCYF4/UzrwcYo/nmeId3rgOw==";
static const char x25519[] = "MCowBQYDK2VuAyEAndHbY5i7mGCbOb7NmoWqYJTejRG/3ugBWtPBaEcQB3U=";
static const char ed448[] =
    "MEMwBQYDK2VxAzoAuIT0/uQu1obqhtSW+HR7d4K6qN6ObvOWmiQRvhBRw+rfDLkXBmpc+FqqZuJaQCzkZZ/PpDtnXn6A";

struct bytes {
    uint8_t at[BYTES_MAX];
    size_t length;
};

static struct bytes decode(const char *text)
{
    struct bytes bytes = {.length = 0};
    cr_assert_eq(sodium_base642bin(bytes.at, BYTES_MAX, text, strlen(text), NULL, &bytes.length, NULL,
                                   sodium_base64_VARIANT_ORIGINAL),
                 0);
    return bytes;
}

static const char *encode(const struct bytes *bytes)
{
    static char text[TEXT_MAX];
    return sodium_bin2base64(text, sizeof(text), bytes->at, bytes->length, sodium_base64_VARIANT_ORIGINAL);
}

static enum key_verdict check_bytes(enum signature_algorithm algorithm, const struct bytes *der)
{
    return signature_check_key(algorithm, encode(der));
}

static struct bytes bytes_of(const void *at, size_t length)
{
    struct bytes bytes = {.length = length};
    memcpy(bytes.at, at, length);
    return bytes;
}

static struct bytes join(struct bytes a, struct bytes b)
{
    memcpy(a.at + a.length, b.at, b.length);
    a.length += b.length;
    return a;
}

/* Tag, length, contents. */
static struct bytes der(uint8_t tag, struct bytes inside)
{
    struct bytes head = bytes_of((uint8_t[]){tag, (uint8_t)inside.length}, 2);
    if (inside.length > 255)
        head = bytes_of((uint8_t[]){tag, 0x82, (uint8_t)(inside.length >> 8), (uint8_t)inside.length}, 4);
    else if (inside.length > 127)
        head = bytes_of((uint8_t[]){tag, 0x81, (uint8_t)inside.length}, 3);
    return join(head, inside);
}

enum { INTEGER = 0x02, BIT_STRING = 0x03, NULL_VALUE = 0x05, OID = 0x06, SEQUENCE = 0x30 };

static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t oid_ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t oid_p256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_ed25519[] = {0x2b, 0x65, 0x70};

static const struct bytes nothing;

static struct bytes oid(const uint8_t *at, size_t length)
{
    return der(OID, bytes_of(at, length));
}

/* `parameters` are DER, or nothing. */
static struct bytes key_of(struct bytes algorithm, struct bytes parameters, struct bytes point)
{
    return der(SEQUENCE, join(der(SEQUENCE, join(algorithm, parameters)),
                              der(BIT_STRING, join(bytes_of("\0", 1), point))));
}

static struct bytes null_value(void)
{
    return der(NULL_VALUE, nothing);
}

static struct bytes rsa_of(struct bytes modulus, struct bytes exponent)
{
    struct bytes numbers = der(SEQUENCE, join(der(INTEGER, modulus), der(INTEGER, exponent)));
    return key_of(oid(oid_rsa, sizeof(oid_rsa)), null_value(), numbers);
}

static struct bytes ec_of(struct bytes point)
{
    return key_of(oid(oid_ec, sizeof(oid_ec)), oid(oid_p256, sizeof(oid_p256)), point);
}

static struct bytes ed_of(struct bytes point)
{
    return key_of(oid(oid_ed25519, sizeof(oid_ed25519)), nothing, point);
}

/* Where the parts stand in the good keys. */
static struct bytes rsa_modulus(void)
{
    return bytes_of(decode(rsa_key).at + 32, 257);
}

static struct bytes ec_point(void)
{
    return bytes_of(decode(ec_key).at + 26, 65);
}

static struct bytes ed_point(void)
{
    return bytes_of(decode(ed_key).at + 12, 32);
}

static struct bytes exponent(void)
{
    return bytes_of("\1\0\1", 3);
}

#define EXPECT_VERDICT(algorithm, made, expected)                                                            \
    do {                                                                                                     \
        struct bytes der_ = (made);                                                                          \
        enum key_verdict verdict_ = check_bytes(algorithm, &der_);                                           \
        cr_expect_eq(verdict_, expected, "verdict %d, not %d: %s", verdict_, expected, encode(&der_));       \
    } while (0)

Test(key, of_each_algorithm_is_taken_also_put_together_by_hand)
{
    cr_expect_eq(signature_check_key(SIGNATURE_RSA2048, rsa_key), KEY_FINE);
    cr_expect_eq(signature_check_key(SIGNATURE_ECDSAP256, ec_key), KEY_FINE);
    cr_expect_eq(signature_check_key(SIGNATURE_ED25519, ed_key), KEY_FINE);
    EXPECT_VERDICT(SIGNATURE_RSA2048, rsa_of(rsa_modulus(), exponent()), KEY_FINE);
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(ec_point()), KEY_FINE);
    EXPECT_VERDICT(SIGNATURE_ED25519, ed_of(ed_point()), KEY_FINE);
}

Test(key, freshly_made_is_taken)
{
    static const char *const names[] = {"", "RSA2048", "ECDSAP256", "ED25519"};
    for (int a = SIGNATURE_RSA2048; a <= SIGNATURE_ED25519; a++) {
        for (int i = 0; i < 3; i++) {
            struct signer *signer = signer_new(names[a]);
            char *key = signer_public_key(signer);
            cr_expect_eq(signature_check_key((enum signature_algorithm)a, key), KEY_FINE, "%s", key);
            free(key);
            signer_free(signer);
        }
    }
}

Test(key, that_is_not_strict_base64_is_refused)
{
    char padless[sizeof(ed_key)], url[sizeof(rsa_key)], stray[sizeof(ed_key)];
    strcpy(padless, ed_key);
    padless[strcspn(padless, "=")] = '\0';
    strcpy(url, rsa_key);
    for (char *at = url; *at != '\0'; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    strcpy(stray, ed_key);
    stray[strcspn(stray, "=") - 1] = 'x'; /* one of its last bits, which belong to no byte */
    char line[sizeof(ed_key) + 8], spaced[sizeof(ed_key) + 8], more[sizeof(ed_key) + 8];
    snprintf(line, sizeof(line), "%s\n", ed_key);
    snprintf(spaced, sizeof(spaced), " %s", ed_key);
    snprintf(more, sizeof(more), "%s====", ed_key);
    const char *const wrong[] = {"", "=", "====", "A", "!!!!", padless, stray, line, spaced, more};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        cr_expect_eq(signature_check_key(SIGNATURE_ED25519, wrong[i]), KEY_NOT_BASE64, "\"%s\"", wrong[i]);
    cr_expect_eq(signature_check_key(SIGNATURE_RSA2048, url), KEY_NOT_BASE64);
    cr_expect_eq(signature_check_key(SIGNATURE_RSA2048, "-----BEGIN PUBLIC KEY-----"), KEY_NOT_BASE64);
}

/* Not even in place of the letter for which libsodium takes it. */
Test(key, with_a_byte_beyond_ascii_is_not_base64)
{
    char changed[sizeof(ed_key)];
    for (size_t i = 0; ed_key[i] != '\0'; i++) {
        strcpy(changed, ed_key);
        changed[i] = '\x80';
        cr_expect_eq(signature_check_key(SIGNATURE_ED25519, changed), KEY_NOT_BASE64, "at %zu", i);
    }
}

Test(key, longer_than_any_is_refused)
{
    static struct bytes large = {.length = BYTES_MAX};
    cr_expect_neq(check_bytes(SIGNATURE_RSA2048, &large), KEY_FINE);
}

Test(key, of_another_algorithm_size_or_curve_is_refused)
{
    static const struct {
        enum signature_algorithm algorithm;
        const char *key;
    } rows[] = {
        {SIGNATURE_RSA2048, ec_key},
        {SIGNATURE_RSA2048, ed_key},
        {SIGNATURE_ECDSAP256, rsa_key},
        {SIGNATURE_ECDSAP256, ed_key},
        {SIGNATURE_ED25519, rsa_key},
        {SIGNATURE_ED25519, ec_key},
        {SIGNATURE_RSA2048, rsa_1024},
        {SIGNATURE_RSA2048, rsa_2047},
        {SIGNATURE_RSA2048, rsa_3072},
        {SIGNATURE_RSA2048, rsa_pss},
        {SIGNATURE_ECDSAP256, p384},
        {SIGNATURE_ECDSAP256, secp256k1},
        {SIGNATURE_ECDSAP256, ec_key_explicit},
        {SIGNATURE_ED25519, x25519},
        {SIGNATURE_ED25519, ed448},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(signature_check_key(rows[i].algorithm, rows[i].key), KEY_OTHER_ALGORITHM, "%s",
                     rows[i].key);
    cr_expect_neq(signature_check_key((enum signature_algorithm)0, ed_key), KEY_FINE);
    cr_expect_neq(signature_check_key((enum signature_algorithm)77, ed_key), KEY_FINE);
}

Test(key, of_wrong_parameters_is_refused)
{
    struct bytes numbers = der(SEQUENCE, join(der(INTEGER, rsa_modulus()), der(INTEGER, exponent())));
    EXPECT_VERDICT(SIGNATURE_RSA2048, key_of(oid(oid_rsa, sizeof(oid_rsa)), nothing, numbers),
                   KEY_OTHER_ALGORITHM);
    EXPECT_VERDICT(SIGNATURE_ED25519, key_of(oid(oid_ed25519, sizeof(oid_ed25519)), null_value(), ed_point()),
                   KEY_OTHER_ALGORITHM);
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, key_of(oid(oid_ec, sizeof(oid_ec)), nothing, ec_point()),
                   KEY_OTHER_ALGORITHM);
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, key_of(oid(oid_ec, sizeof(oid_ec)), null_value(), ec_point()),
                   KEY_OTHER_ALGORITHM);
}

static const struct {
    enum signature_algorithm algorithm;
    const char *key;
} good[] = {{SIGNATURE_RSA2048, rsa_key}, {SIGNATURE_ECDSAP256, ec_key}, {SIGNATURE_ED25519, ed_key}};

Test(key, cut_short_or_followed_by_something_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct bytes whole = decode(good[i].key), longer = whole;
        for (size_t length = 1; length < whole.length; length++)
            EXPECT_VERDICT(good[i].algorithm, bytes_of(whole.at, length), KEY_NOT_DER);
        longer.length++;
        EXPECT_VERDICT(good[i].algorithm, longer, KEY_NOT_DER);
        EXPECT_VERDICT(good[i].algorithm, join(whole, whole), KEY_NOT_DER);
    }
}

/* BER lets lengths be written in more than one way, and BIT STRINGs have bits that do not count. */
Test(key, encoded_in_another_way_is_refused)
{
    struct bytes ed = decode(ed_key), ec = decode(ec_key), rsa = decode(rsa_key);
    struct bytes inside = bytes_of(ed.at + 2, ed.length - 2);
    struct bytes end = bytes_of("\0\0", 2);
    EXPECT_VERDICT(SIGNATURE_ED25519, join(bytes_of("\x30\x81\x2a", 3), inside), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_ED25519, join(bytes_of("\x30\x82\0\x2a", 4), inside), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_ED25519, join(join(bytes_of("\x30\x80", 2), inside), end), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, join(bytes_of("\x30\x81\x59", 3), bytes_of(ec.at + 2, ec.length - 2)),
                   KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_RSA2048,
                   join(bytes_of("\x30\x83\0\x01\x22", 5), bytes_of(rsa.at + 4, rsa.length - 4)),
                   KEY_NOT_DER);
    ed.at[11] = 1; /* unused bits */
    EXPECT_VERDICT(SIGNATURE_ED25519, ed, KEY_NOT_DER);
    ed.at[11] = 0;
    ed.at[0] = 0x31; /* a SET */
    EXPECT_VERDICT(SIGNATURE_ED25519, ed, KEY_NOT_DER);
    cr_expect_eq(signature_check_key(SIGNATURE_ECDSAP256, ec_key_compressed), KEY_NOT_DER);
    cr_expect_eq(signature_check_key(SIGNATURE_ECDSAP256, ec_key_hybrid), KEY_NOT_DER);
}

Test(key, of_rsa_with_malformed_numbers_is_refused)
{
    struct bytes modulus = rsa_modulus(), bare = bytes_of(modulus.at + 1, 256);
    struct bytes algorithm = oid(oid_rsa, sizeof(oid_rsa));
    EXPECT_VERDICT(SIGNATURE_RSA2048, rsa_of(join(bytes_of("\0", 1), modulus), exponent()), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_RSA2048, rsa_of(bare, exponent()), KEY_NOT_DER); /* a negative number */
    EXPECT_VERDICT(SIGNATURE_RSA2048, rsa_of(modulus, bytes_of("\0\1\0\1", 4)), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_RSA2048, key_of(algorithm, null_value(), nothing), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_RSA2048, key_of(algorithm, null_value(), modulus), KEY_NOT_DER);
    struct bytes three =
        der(SEQUENCE, join(join(der(INTEGER, modulus), der(INTEGER, exponent())), der(INTEGER, exponent())));
    EXPECT_VERDICT(SIGNATURE_RSA2048, key_of(algorithm, null_value(), three), KEY_NOT_DER);
    struct bytes one = der(SEQUENCE, der(INTEGER, modulus));
    EXPECT_VERDICT(SIGNATURE_RSA2048, key_of(algorithm, null_value(), one), KEY_NOT_DER);
}

Test(key, of_rsa_with_unsafe_numbers_is_refused)
{
    struct bytes even = rsa_modulus(), larger = even;
    even.at[even.length - 1] &= 0xfe;
    EXPECT_VERDICT(SIGNATURE_RSA2048, rsa_of(even, exponent()), KEY_UNSAFE);
    static const struct {
        const char *bytes;
        size_t length;
    } exponents[] = {{"\0", 1},       {"\1", 1},     {"\3", 1},         {"\1\0\0", 3},
                     {"\x7f\xff", 2}, {"\1\0\3", 3}, {"\1\0\0\0\1", 5}, {"\0\xff\xff\xff\xfe", 5}};
    for (size_t i = 0; i < ARRAY_LEN(exponents); i++)
        EXPECT_VERDICT(SIGNATURE_RSA2048,
                       rsa_of(rsa_modulus(), bytes_of(exponents[i].bytes, exponents[i].length)), KEY_UNSAFE);
    EXPECT_VERDICT(SIGNATURE_RSA2048, rsa_of(rsa_modulus(), rsa_modulus()), KEY_UNSAFE);
    larger.at[0] = 1; /* 2049 bits */
    EXPECT_VERDICT(SIGNATURE_RSA2048, rsa_of(larger, exponent()), KEY_OTHER_ALGORITHM);
}

Test(key, of_p256_that_is_no_point_of_the_curve_is_refused)
{
    struct bytes point = ec_point(), zero = {.length = 65}, beyond = {.length = 65};
    for (size_t i = 1; i < point.length; i++) {
        struct bytes off = point;
        off.at[i] ^= 1;
        EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(off), KEY_UNSAFE);
    }
    zero.at[0] = 4;
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(zero), KEY_UNSAFE);
    memset(beyond.at, 0xff, beyond.length); /* coordinates beyond the field */
    beyond.at[0] = 4;
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(beyond), KEY_UNSAFE);
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(bytes_of("\0", 1)), KEY_NOT_DER); /* infinity */
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(nothing), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(bytes_of(point.at, 64)), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_ECDSAP256, ec_of(join(point, zero)), KEY_NOT_DER);
}

/* The points of order 1, 2, 4 and 8 and their other encodings: RFC 7748's twist aside, those of
 * "Taming the many EdDSAs" (Chalkias et al. 2020), table 1. */
Test(key, of_ed25519_of_small_order_or_off_the_curve_is_refused)
{
    static const char *const points[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0200000000000000000000000000000000000000000000000000000000000000", /* no x for this y */
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct bytes point = {.length = 0};
        cr_assert_eq(
            sodium_hex2bin(point.at, BYTES_MAX, points[i], strlen(points[i]), NULL, &point.length, NULL), 0);
        EXPECT_VERDICT(SIGNATURE_ED25519, ed_of(point), KEY_UNSAFE);
    }
    EXPECT_VERDICT(SIGNATURE_ED25519, ed_of(bytes_of(ed_point().at, 31)), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_ED25519, ed_of(join(ed_point(), bytes_of("\0", 1))), KEY_NOT_DER);
    EXPECT_VERDICT(SIGNATURE_ED25519, ed_of(nothing), KEY_NOT_DER);
}

/* Whatever one bit makes of a key, it is not taken for the same, and nothing breaks. */
Test(key, with_any_bit_flipped_verifies_nothing)
{
    static const char *const names[] = {"", "RSA2048", "ECDSAP256", "ED25519"};
    for (int a = SIGNATURE_RSA2048; a <= SIGNATURE_ED25519; a++) {
        struct signer *signer = signer_new(names[a]);
        struct signer_post post = {"user_1", "sub_1", "T", NULL, 7};
        static const char signed_bytes[] = "forumd-post-v16:user_1,5:sub_1,1:T,0:,1:7,";
        char *key = signer_public_key(signer), *signature = signer_sign(signer, &post);
        cr_assert(signature_verify((enum signature_algorithm)a, key, signed_bytes, sizeof(signed_bytes) - 1,
                                   signature));
        struct bytes bytes = decode(key);
        for (size_t bit = 0; bit < bytes.length * 8; bit++) {
            bytes.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_expect_not(signature_verify((enum signature_algorithm)a, encode(&bytes), signed_bytes,
                                           sizeof(signed_bytes) - 1, signature),
                          "%s bit %zu", names[a], bit);
            bytes.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(key);
        free(signature);
        signer_free(signer);
    }
}

/* One signature of each algorithm to play with. */
struct sample {
    enum signature_algorithm algorithm;
    char *key, *signature;
};

static const char sample_bytes[] = "forumd-post-v16:user_1,5:sub_1,1:T,0:,1:7,";

static struct sample sample_new(int algorithm)
{
    static const char *const names[] = {"", "RSA2048", "ECDSAP256", "ED25519"};
    struct signer *signer = signer_new(names[algorithm]);
    struct sample sample = {.algorithm = (enum signature_algorithm)algorithm,
                            .key = signer_public_key(signer),
                            .signature =
                                signer_sign(signer, &(struct signer_post){"user_1", "sub_1", "T", NULL, 7})};
    signer_free(signer);
    return sample;
}

static void sample_free(struct sample *sample)
{
    free(sample->key);
    free(sample->signature);
}

static bool verify(const struct sample *sample, const char *signature)
{
    return signature_verify(sample->algorithm, sample->key, sample_bytes, sizeof(sample_bytes) - 1,
                            signature);
}

Test(signature, with_any_bit_flipped_does_not_verify)
{
    for (int a = SIGNATURE_RSA2048; a <= SIGNATURE_ED25519; a++) {
        struct sample sample = sample_new(a);
        struct bytes bytes = decode(sample.signature);
        cr_assert(verify(&sample, encode(&bytes)));
        for (size_t bit = 0; bit < bytes.length * 8; bit++) {
            bytes.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_expect_not(verify(&sample, encode(&bytes)), "algorithm %d bit %zu", a, bit);
            bytes.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        sample_free(&sample);
    }
}

Test(signature, shorter_longer_or_no_base64_does_not_verify)
{
    for (int a = SIGNATURE_RSA2048; a <= SIGNATURE_ED25519; a++) {
        struct sample sample = sample_new(a);
        struct bytes bytes = decode(sample.signature), longer = bytes;
        for (size_t length = 0; length < bytes.length; length++) {
            struct bytes cut = bytes_of(bytes.at, length);
            cr_expect_not(verify(&sample, encode(&cut)), "algorithm %d length %zu", a, length);
        }
        longer.length++;
        cr_expect_not(verify(&sample, encode(&longer)));
        struct bytes zero = {.length = bytes.length};
        cr_expect_not(verify(&sample, encode(&zero)));
        cr_expect_not(verify(&sample, ""));
        cr_expect_not(verify(&sample, "not base64"));
        char text[TEXT_MAX];
        snprintf(text, sizeof(text), "%s\n", sample.signature);
        cr_expect_not(verify(&sample, text));
        sample_free(&sample);
    }
}

Test(signature, of_other_bytes_or_by_another_key_does_not_verify)
{
    for (int a = SIGNATURE_RSA2048; a <= SIGNATURE_ED25519; a++) {
        struct sample sample = sample_new(a), other = sample_new(a);
        cr_expect(verify(&sample, sample.signature));
        cr_expect_not(verify(&sample, other.signature));
        cr_expect_not(signature_verify(sample.algorithm, sample.key, sample_bytes, sizeof(sample_bytes) - 2,
                                       sample.signature));
        cr_expect_not(signature_verify(sample.algorithm, sample.key, sample_bytes, 0, sample.signature));
        for (int b = 0; b <= SIGNATURE_ED25519 + 1; b++)
            cr_expect_eq(signature_verify((enum signature_algorithm)b, sample.key, sample_bytes,
                                          sizeof(sample_bytes) - 1, sample.signature),
                         a == b);
        sample_free(&sample);
        sample_free(&other);
    }
}

/* S + L signs the same for those who do not look (RFC 8032, 5.1.7): it must be below L. */
Test(signature, of_ed25519_with_an_s_beyond_the_order_does_not_verify)
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    struct sample sample = sample_new(SIGNATURE_ED25519);
    struct bytes bytes = decode(sample.signature);
    unsigned carry = 0;
    for (size_t i = 0; i < sizeof(order); i++) {
        carry += bytes.at[32 + i] + order[i];
        bytes.at[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    cr_assert_eq(carry, 0);
    cr_expect_not(verify(&sample, encode(&bytes)));
    sample_free(&sample);
}

/* The same two numbers, but for the encoding. */
Test(signature, of_ecdsa_in_another_encoding_does_not_verify)
{
    struct sample sample = sample_new(SIGNATURE_ECDSAP256);
    struct bytes bytes = decode(sample.signature), inside = bytes_of(bytes.at + 2, bytes.length - 2);
    struct bytes length = bytes_of((uint8_t[]){SEQUENCE, 0x81, (uint8_t)inside.length}, 3);
    struct bytes long_form = join(length, inside);
    struct bytes indefinite = join(join(bytes_of("\x30\x80", 2), inside), bytes_of("\0\0", 2));
    cr_expect_not(verify(&sample, encode(&long_form)));
    cr_expect_not(verify(&sample, encode(&indefinite)));
    sample_free(&sample);
}
