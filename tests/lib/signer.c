#include "tests/lib/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/attributes.h"

struct signer {
    EVP_PKEY *key;
    const struct algorithm *algorithm;
};

static const struct algorithm {
    const char *name, *type, *curve, *digest;
    int bits;
} algorithms[] = {
    {.name = "RSA2048", .type = "RSA", .digest = "SHA256", .bits = 2048},
    {.name = "ECDSAP256", .type = "EC", .curve = "prime256v1", .digest = "SHA256", .bits = 256},
    {.name = "ED25519", .type = "ED25519", .bits = 256},
};

/* Memory and randomness that are out leave nothing to test. */
static void must(bool condition)
{
    if (!condition)
        abort();
}

static const struct algorithm *find_algorithm(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

static const struct algorithm *algorithm_of(const EVP_PKEY *key)
{
    char curve[32] = "";
    (void)EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL);
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (EVP_PKEY_is_a(key, algorithms[i].type) &&
            (algorithms[i].curve == NULL || strcmp(curve, algorithms[i].curve) == 0) &&
            (algorithms[i].digest == NULL || EVP_PKEY_get_bits(key) == algorithms[i].bits))
            return &algorithms[i];
    return NULL;
}

static struct signer *signer_of(EVP_PKEY *key, const struct algorithm *algorithm)
{
    struct signer *signer = malloc(sizeof(*signer));
    must(signer != NULL);
    *signer = (struct signer){.key = key, .algorithm = algorithm};
    return signer;
}

static EVP_PKEY *generate(const struct algorithm *algorithm)
{
    if (algorithm->curve != NULL)
        return EVP_PKEY_Q_keygen(NULL, NULL, algorithm->type, algorithm->curve);
    if (algorithm->digest != NULL)
        return EVP_PKEY_Q_keygen(NULL, NULL, algorithm->type, (size_t)algorithm->bits);
    return EVP_PKEY_Q_keygen(NULL, NULL, algorithm->type);
}

struct signer *signer_new(const char *name)
{
    const struct algorithm *algorithm = find_algorithm(name);
    if (algorithm == NULL)
        return NULL;
    EVP_PKEY *key = generate(algorithm);
    must(key != NULL);
    return signer_of(key, algorithm);
}

struct signer *signer_load(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    const struct algorithm *algorithm = key != NULL ? algorithm_of(key) : NULL;
    if (algorithm == NULL) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return signer_of(key, algorithm);
}

bool signer_save(const struct signer *signer, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    FILE *file = fdopen(fd, "w");
    must(file != NULL);
    bool written = PEM_write_PKCS8PrivateKey(file, signer->key, NULL, NULL, 0, NULL, NULL) == 1;
    return fclose(file) == 0 && written;
}

void signer_free(struct signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_free(signer->key);
    free(signer);
}

const char *signer_algorithm(const struct signer *signer)
{
    return signer->algorithm->name;
}

static char *to_base64(const unsigned char *bytes, size_t length)
{
    char *text = malloc((length + 2) / 3 * 4 + 1);
    must(text != NULL);
    (void)EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    return text;
}

/* NULL: it is none. The padding that EVP_DecodeBlock counts as bytes is taken off. */
static unsigned char *from_base64(const char *text, size_t *length)
{
    size_t chars = strlen(text);
    unsigned char *bytes = malloc(chars + 1);
    must(bytes != NULL);
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)chars);
    if (decoded < 3) {
        free(bytes);
        return NULL;
    }
    *length = (size_t)decoded - (text[chars - 1] == '=') - (text[chars - 2] == '=');
    return bytes;
}

char *signer_public_key(const struct signer *signer)
{
    unsigned char *der = NULL;
    int length = i2d_PUBKEY(signer->key, &der);
    must(length > 0);
    char *text = to_base64(der, (size_t)length);
    OPENSSL_free(der);
    return text;
}

static void put_netstring(FILE *out, const char *text)
{
    fprintf(out, "%zu:%s,", strlen(text), text);
}

static char *signed_bytes(const struct signer_post *post, size_t *length)
{
    char *bytes = NULL, signed_at[24];
    FILE *out = open_memstream(&bytes, length);
    must(out != NULL);
    snprintf(signed_at, sizeof(signed_at), "%" PRIu64, post->signed_at);
    fputs("forumd-post-v1", out);
    put_netstring(out, post->author_id);
    put_netstring(out, post->subreddit_id);
    put_netstring(out, post->title);
    put_netstring(out, post->content != NULL ? post->content : "");
    put_netstring(out, signed_at);
    must(fclose(out) == 0);
    return bytes;
}

char *signer_sign(const struct signer *signer, const struct signer_post *post)
{
    size_t length, signature_length = 0;
    char *bytes = signed_bytes(post, &length);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL &&
         EVP_DigestSignInit_ex(context, NULL, signer->algorithm->digest, NULL, NULL, signer->key, NULL) == 1);
    must(EVP_DigestSign(context, NULL, &signature_length, (unsigned char *)bytes, length) == 1);
    unsigned char *signature = malloc(signature_length);
    must(signature != NULL &&
         EVP_DigestSign(context, signature, &signature_length, (unsigned char *)bytes, length) == 1);
    char *text = to_base64(signature, signature_length);
    EVP_MD_CTX_free(context);
    free(signature);
    free(bytes);
    return text;
}

static bool verify_bytes(EVP_PKEY *key, const char *digest, const struct signer_post *post,
                         const unsigned char *signature, size_t signature_length)
{
    size_t length;
    char *bytes = signed_bytes(post, &length);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL);
    bool good = EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL) == 1 &&
                EVP_DigestVerify(context, signature, signature_length, (unsigned char *)bytes, length) == 1;
    EVP_MD_CTX_free(context);
    free(bytes);
    return good;
}

bool signer_verify(const char *name, const char *public_key, const struct signer_post *post,
                   const char *signature)
{
    const struct algorithm *algorithm = find_algorithm(name);
    size_t der_length = 0, raw_length = 0;
    unsigned char *der = from_base64(public_key, &der_length), *raw = from_base64(signature, &raw_length);
    const unsigned char *at = der;
    EVP_PKEY *key = der != NULL ? d2i_PUBKEY(NULL, &at, (long)der_length) : NULL;
    bool good = algorithm != NULL && raw != NULL && key != NULL && algorithm_of(key) == algorithm &&
                verify_bytes(key, algorithm->digest, post, raw, raw_length);
    EVP_PKEY_free(key);
    free(raw);
    free(der);
    return good;
}
