#include "engined/token_signer.h"

#include <string.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/log.h"

void token_signer_open(struct token_signer *signer, const char *path)
{
    *signer = (struct token_signer){.file = {.path = path}};
    (void)!token_key_file_changed(&signer->file, clock_monotonic_ms());
    const char *why = token_secret_key_load(path, &signer->key);
    if (why != NULL)
        fatal_exit(EXIT_CONFIG, "cannot use the token key %s: %s (forumctl init makes one)", path, why);
}

void token_signer_close(struct token_signer *signer)
{
    sodium_memzero(&signer->key, sizeof(signer->key));
}

static void look_at_key(struct token_signer *signer)
{
    if (!token_key_file_changed(&signer->file, clock_monotonic_ms()))
        return;
    const char *why = token_secret_key_load(signer->file.path, &signer->key);
    if (why != NULL)
        log_error("the new token key cannot be used: the old one signs on reason=%s", why);
    else
        log_notice("another token key signs from now on key=%08x", (unsigned)signer->key.id);
}

bool token_signer_sign(void *arg, struct token *token, char *text)
{
    struct token_signer *signer = arg;
    look_at_key(signer);
    token_sign(token, &signer->key, text);
    return true;
}

bool token_signer_open_token(void *arg, const char *text, uint64_t wall_ms, struct token *token)
{
    struct token_signer *signer = arg;
    look_at_key(signer);
    struct token_public_keys keys = {.count = 1, .rows = {{.id = signer->key.id}}};
    return crypto_sign_ed25519_sk_to_pk(keys.rows[0].bytes, signer->key.bytes) == 0 &&
           token_open(text, strlen(text), &keys, wall_ms, token) == TOKEN_FINE;
}
