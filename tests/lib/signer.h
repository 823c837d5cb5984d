/*
 * Signing and verifying posts as a client does, written from the contract ("Signed posts"): shares nothing
 * with gateway/signature.c, so that the two check each other. Knows libcrypto alone. Texts that are returned
 * are the caller's to free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"

struct signer; /* a private key */

/* What is signed; `content` NULL: none. */
struct signer_post {
    const char *author_id, *subreddit_id, *title, *content;
    uint64_t signed_at;
};

/* A fresh key. NULL: not "RSA2048", "ECDSAP256" or "ED25519". */
struct signer *signer_new(const char *algorithm) MUST_USE;
/* From PEM, as openssl genpkey writes it. NULL: cannot be read, or is of no such algorithm. */
struct signer *signer_load(const char *path) MUST_USE;
/* As PEM in a new file of mode 0600. False: errno says why. */
bool signer_save(const struct signer *signer, const char *path) MUST_USE;
void signer_free(struct signer *signer);

const char *signer_algorithm(const struct signer *signer);
char *signer_public_key(const struct signer *signer) MUST_USE;
char *signer_sign(const struct signer *signer, const struct signer_post *post) MUST_USE;
bool signer_verify(const char *algorithm, const char *public_key, const struct signer_post *post,
                   const char *signature) MUST_USE;
