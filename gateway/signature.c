#include "gateway/signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "common/fatal.h"
#include "proto/base64.h"

#define DER_MAX_BYTES       1024
#define RSA_BITS            2048
#define RSA_EXPONENT        65537
#define TOP_BIT             0x80
#define P256_POINT_BYTES    65
#define ED25519_POINT_BYTES 32

/* With size and exponent given there is one encoding of each kind of key, of one length, and in it stand the
 * key's own bytes between bytes that are always the same. So a key is strict DER if those are there, and
 * needs no decoder, which costs three times as much as verifying. */
static const uint8_t rsa_prefix[] = {0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48,
                                     0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01,
                                     0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00};
static const uint8_t rsa_suffix[] = {0x02, 0x03, 0x01, 0x00, 0x01};
static const uint8_t p256_prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
static const uint8_t ed25519_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

/* A key from the bytes that are its own. */
struct algorithm {
    const uint8_t *prefix, *suffix;
    size_t prefix_length, own_length, suffix_length;
    int oid, parameter_type, parameter; /* of the AlgorithmIdentifier; `parameter` where it is an OID */
    const char *digest;                 /* NULL: the algorithm has its own */
    bool (*is_encoded)(const uint8_t *own);
    bool (*is_safe)(const uint8_t *own);
    EVP_PKEY *(*make)(const uint8_t *own); /* NULL: there is no such key */
};

static bool rsa_is_encoded(const uint8_t *modulus)
{
    return (modulus[0] & TOP_BIT) != 0; /* all 2048 bits are used */
}

static bool rsa_is_safe(const uint8_t *modulus)
{
    return (modulus[RSA_BITS / 8 - 1] & 1) != 0;
}

static bool p256_is_encoded(const uint8_t *point)
{
    return point[0] == POINT_CONVERSION_UNCOMPRESSED;
}

/* That the point is on the curve is looked at when the key is made; the cofactor is 1, so that is enough
 * (SEC 1, 3.2.2.1). */
static bool p256_is_safe(const uint8_t *point)
{
    (void)point;
    return true;
}

static bool ed25519_is_encoded(const uint8_t *point)
{
    (void)point;
    return true;
}

static bool ed25519_is_safe(const uint8_t *point)
{
    return crypto_core_ed25519_is_valid_point(point) == 1;
}

static EVP_PKEY *make_of(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    ensure(context != NULL && params != NULL && EVP_PKEY_fromdata_init(context) == 1);
    (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params); /* else it stays NULL */
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *rsa_make(const uint8_t *modulus)
{
    BIGNUM *number = BN_bin2bn(modulus, RSA_BITS / 8, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    ensure(number != NULL && builder != NULL &&
           OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, number) == 1 &&
           OSSL_PARAM_BLD_push_uint(builder, OSSL_PKEY_PARAM_RSA_E, RSA_EXPONENT) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *key = make_of("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(number);
    return key;
}

static EVP_PKEY *p256_make(const uint8_t *point)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)SN_X9_62_prime256v1, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (uint8_t *)(uintptr_t)point,
                                          P256_POINT_BYTES), /* not written to */
        OSSL_PARAM_construct_end()};
    return make_of("EC", params);
}

static EVP_PKEY *ed25519_make(const uint8_t *point)
{
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point, ED25519_POINT_BYTES);
}

static const struct algorithm algorithms[] = {
    [SIGNATURE_RSA2048] = {.prefix = rsa_prefix,
                           .prefix_length = sizeof(rsa_prefix),
                           .own_length = RSA_BITS / 8,
                           .suffix = rsa_suffix,
                           .suffix_length = sizeof(rsa_suffix),
                           .oid = NID_rsaEncryption,
                           .parameter_type = V_ASN1_NULL,
                           .digest = "SHA256",
                           .is_encoded = rsa_is_encoded,
                           .is_safe = rsa_is_safe,
                           .make = rsa_make},
    [SIGNATURE_ECDSAP256] = {.prefix = p256_prefix,
                             .prefix_length = sizeof(p256_prefix),
                             .own_length = P256_POINT_BYTES,
                             .oid = NID_X9_62_id_ecPublicKey,
                             .parameter_type = V_ASN1_OBJECT,
                             .parameter = NID_X9_62_prime256v1,
                             .digest = "SHA256",
                             .is_encoded = p256_is_encoded,
                             .is_safe = p256_is_safe,
                             .make = p256_make},
    [SIGNATURE_ED25519] = {.prefix = ed25519_prefix,
                           .prefix_length = sizeof(ed25519_prefix),
                           .own_length = ED25519_POINT_BYTES,
                           .oid = NID_ED25519,
                           .parameter_type = V_ASN1_UNDEF,
                           .is_encoded = ed25519_is_encoded,
                           .is_safe = ed25519_is_safe,
                           .make = ed25519_make},
};

static bool is_known(enum signature_algorithm algorithm)
{
    return algorithm >= SIGNATURE_RSA2048 && algorithm <= SIGNATURE_ED25519;
}

/* 0: it is not strict base64, or of more than `size` bytes. */
static size_t decode_base64(const char *text, uint8_t *bytes, size_t size)
{
    size_t length = 0;
    if (!base64_decode(text, strlen(text), sodium_base64_VARIANT_ORIGINAL, bytes, size, &length))
        return 0;
    return length;
}

/* The key's own bytes; NULL: this is not the encoding of such a key. */
static const uint8_t *own_bytes(const struct algorithm *algorithm, const uint8_t *der, size_t length)
{
    const uint8_t *own = der + algorithm->prefix_length, *suffix = own + algorithm->own_length;
    if (length != algorithm->prefix_length + algorithm->own_length + algorithm->suffix_length ||
        memcmp(der, algorithm->prefix, algorithm->prefix_length) != 0 || !algorithm->is_encoded(own))
        return NULL;
    if (algorithm->suffix_length > 0 && memcmp(suffix, algorithm->suffix, algorithm->suffix_length) != 0)
        return NULL;
    return own;
}

/* NULL: there is none, or not in this encoding. No configuration file may change what verifies. */
static EVP_PKEY *key_open(const struct algorithm *algorithm, const uint8_t *der, size_t length)
{
    const uint8_t *own = own_bytes(algorithm, der, length);
    ensure(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1); /* the first call counts */
    return own != NULL ? algorithm->make(own) : NULL;
}

static bool is_of(const struct algorithm *algorithm, const X509_PUBKEY *key)
{
    X509_ALGOR *identifier = NULL;
    const ASN1_OBJECT *oid;
    const void *parameter;
    int type;
    (void)X509_PUBKEY_get0_param(NULL, NULL, NULL, &identifier, (X509_PUBKEY *)(uintptr_t)key);
    X509_ALGOR_get0(&oid, &type, &parameter, identifier);
    return OBJ_obj2nid(oid) == algorithm->oid && type == algorithm->parameter_type &&
           (type != V_ASN1_OBJECT || OBJ_obj2nid(parameter) == algorithm->parameter);
}

/* Whether the key, encoded again from its numbers, gives these very bytes. */
static bool is_canonical(EVP_PKEY *key, const uint8_t *der, size_t length)
{
    uint8_t *again = NULL;
    int again_length = i2d_PUBKEY(key, &again);
    bool same = again_length == (int)length && memcmp(again, der, length) == 0;
    OPENSSL_free(again);
    return same;
}

/* Of bytes that are not the encoding of such a key: what they are instead. */
static enum key_verdict find_fault(const struct algorithm *algorithm, const uint8_t *der, size_t length)
{
    enum key_verdict verdict = KEY_NOT_DER;
    const uint8_t *at = der;
    X509_PUBKEY *whole = d2i_X509_PUBKEY(NULL, &at, (long)length);
    EVP_PKEY *key = whole != NULL ? X509_PUBKEY_get0(whole) : NULL;
    if (whole == NULL || at != der + length)
        verdict = KEY_NOT_DER;
    else if (!is_of(algorithm, whole))
        verdict = KEY_OTHER_ALGORITHM;
    else if (key != NULL && algorithm->oid == NID_rsaEncryption && is_canonical(key, der, length))
        verdict = EVP_PKEY_get_bits(key) == RSA_BITS ? KEY_UNSAFE /* its exponent */ : KEY_OTHER_ALGORITHM;
    X509_PUBKEY_free(whole);
    return verdict;
}

enum key_verdict signature_check_key(enum signature_algorithm algorithm, const char *key)
{
    uint8_t der[DER_MAX_BYTES];
    size_t length = decode_base64(key, der, sizeof(der));
    if (length == 0)
        return KEY_NOT_BASE64;
    if (!is_known(algorithm))
        return KEY_OTHER_ALGORITHM;
    const struct algorithm *row = &algorithms[algorithm];
    const uint8_t *own = own_bytes(row, der, length);
    EVP_PKEY *opened = key_open(row, der, length);
    enum key_verdict verdict = opened != NULL && row->is_safe(own) ? KEY_FINE : KEY_UNSAFE;
    if (own == NULL)
        verdict = find_fault(row, der, length);
    EVP_PKEY_free(opened);
    ERR_clear_error();
    return verdict;
}

static bool verify_bytes(EVP_PKEY *key, const char *digest, const void *bytes, size_t length,
                         const uint8_t *signature, size_t signature_length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ensure(context != NULL);
    bool good = EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL) == 1 &&
                EVP_DigestVerify(context, signature, signature_length, bytes, length) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

bool signature_verify(enum signature_algorithm algorithm, const char *key, const void *bytes, size_t length,
                      const char *signature)
{
    uint8_t der[DER_MAX_BYTES], raw[DER_MAX_BYTES];
    size_t der_length = decode_base64(key, der, sizeof(der));
    size_t raw_length = decode_base64(signature, raw, sizeof(raw));
    if (!is_known(algorithm) || der_length == 0 || raw_length == 0)
        return false;
    EVP_PKEY *opened = key_open(&algorithms[algorithm], der, der_length);
    bool good =
        opened != NULL && verify_bytes(opened, algorithms[algorithm].digest, bytes, length, raw, raw_length);
    EVP_PKEY_free(opened);
    ERR_clear_error();
    return good;
}
