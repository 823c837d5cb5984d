#include "engined/password_hash.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/limits.h"

_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "a hash fits");

/* Of a password that nobody knows; with the parameters of all others, so that to check it takes as long. */
static const char nobodys_hash[crypto_pwhash_STRBYTES] =
    "$argon2id$v=19$m=65536,t=2,p=1$S8oZ3sJ9SR88Vzvili8r+g$4LwMsIgHMLLRoNoh8S19+sz1Y4a+UzyhkBV72S9TyTM";

const char *password_nobodys_hash(void)
{
    return nobodys_hash;
}

/* False: no memory. */
static bool check(const char *password, const char *hash, bool *matches)
{
    errno = 0;
    int verified = crypto_pwhash_str_verify(hash != NULL ? hash : nobodys_hash, password, strlen(password));
    *matches = verified == 0 && hash != NULL;
    return verified == 0 || errno != ENOMEM;
}

bool password_hash_answer(const Pb__PasswordsCheck *request, char *new_hash, Pb__PasswordsChecked *reply)
{
    bool matches = true;
    pb__passwords_checked__init(reply);
    if (request->password != NULL && !check(request->password, request->hash, &matches))
        return false;
    reply->has_matches = true;
    reply->matches = matches;
    if (!matches || request->new_password == NULL)
        return true;
    reply->new_hash = new_hash;
    return crypto_pwhash_str_alg(new_hash, request->new_password, strlen(request->new_password),
                                 LIMIT_PASSWORD_PASSES, LIMIT_PASSWORD_MEMORY_BYTES,
                                 crypto_pwhash_ALG_ARGON2ID13) == 0;
}
