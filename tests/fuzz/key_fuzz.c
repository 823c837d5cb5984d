/*
 * Public keys and signatures: a key that is found good reads the same by OpenSSL's own decoder, has one text
 * and is of one algorithm; nothing else opens at all.
 * Input: a byte, by 4 the algorithm; 128 more: base64, a line with the key and one with a signature. Else the
 * bytes that base64 stands for.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/fatal.h"
#include "gateway/signature.h"
#include "tests/fuzz/fuzz.h"

#define VARIANT     sodium_base64_VARIANT_ORIGINAL
#define BYTES_MAX   1024 /* of a key, and of a signature */
#define AS_TEXT     128
#define SIGNED_TEXT "forumd-post-v1"

static char *encode(struct arena *arena, const uint8_t *bytes, size_t length)
{
    size_t size = sodium_base64_encoded_len(length, VARIANT);
    return sodium_bin2base64(arena_alloc(arena, size), size, bytes, length, VARIANT);
}

static void check_good(struct arena *arena, enum signature_algorithm algorithm, const char *text)
{
    static const int types[] = {[SIGNATURE_RSA2048] = EVP_PKEY_RSA,
                                [SIGNATURE_ECDSAP256] = EVP_PKEY_EC,
                                [SIGNATURE_ED25519] = EVP_PKEY_ED25519};
    uint8_t der[BYTES_MAX], *again = NULL;
    const uint8_t *at = der;
    size_t length = 0;
    ensure(sodium_base642bin(der, sizeof(der), text, strlen(text), NULL, &length, NULL, VARIANT) == 0);
    ensure(strcmp(encode(arena, der, length), text) == 0);
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)length);
    ensure(key != NULL && at == der + length && EVP_PKEY_get_base_id(key) == types[algorithm]);
    ensure(i2d_PUBKEY(key, &again) == (int)length && memcmp(again, der, length) == 0);
    OPENSSL_free(again);
    EVP_PKEY_free(key);
}

static enum key_verdict check_key(struct arena *arena, enum signature_algorithm algorithm, const char *text)
{
    enum key_verdict verdict = signature_check_key(algorithm, text);
    if (verdict == KEY_FINE)
        check_good(arena, algorithm, text);
    for (int other = SIGNATURE_RSA2048; verdict == KEY_FINE && other <= SIGNATURE_ED25519; other++)
        ensure((signature_check_key((enum signature_algorithm)other, text) == KEY_FINE) ==
               (other == (int)algorithm));
    return verdict;
}

static void check_signature(enum signature_algorithm algorithm, enum key_verdict verdict, const char *key,
                            const char *signature)
{
    bool good = signature_verify(algorithm, key, SIGNED_TEXT, strlen(SIGNED_TEXT), signature);
    if (verdict == KEY_NOT_BASE64 || verdict == KEY_NOT_DER || verdict == KEY_OTHER_ALGORITHM)
        ensure(!good);
    ensure(ERR_peek_error() == 0); /* nothing piles up, and nothing is taken for the next one's error */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct fuzz_input input = {data, size};
    if (arena == NULL)
        arena = arena_new();
    arena_reset(arena);
    uint8_t how = fuzz_byte(&input);
    enum signature_algorithm algorithm = (enum signature_algorithm)(how % 4); /* 0 is none */
    if ((how & AS_TEXT) != 0) {
        char *rest = arena_strndup(arena, (const char *)input.at, input.left);
        const char *key = strsep(&rest, "\n");
        check_signature(algorithm, check_key(arena, algorithm, key), key, rest != NULL ? rest : "");
    } else {
        size_t length = input.left < BYTES_MAX ? input.left : BYTES_MAX;
        const char *key = encode(arena, input.at, length);
        enum key_verdict verdict = check_key(arena, algorithm, key);
        ensure((verdict == KEY_NOT_BASE64) == (length == 0));
        check_signature(algorithm, verdict, key, key);
    }
    return 0;
}
