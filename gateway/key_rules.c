#include "gateway/key_rules.h"

#include <string.h>

#include "common/attributes.h"
#include "gateway/signature.h"
#include "proto/posts.pb-c.h"
#include "proto/users.pb-c.h"

/* Every JSON reader keeps whole numbers up to there (RFC 8259, section 6). */
#define SIGNED_AT_MAX ((UINT64_C(1) << 53) - 1)

static const struct {
    const char *code, *detail;
} key_faults[] = {
    [KEY_NOT_BASE64] = {"bad_base64", "is not base64: its 64 letters, padding, and nothing else"},
    [KEY_NOT_DER] = {"bad_der", "is not the DER encoding of a SubjectPublicKeyInfo and nothing else"},
    [KEY_OTHER_ALGORITHM] = {"other_algorithm",
                             "is not a key of this key_algorithm: its kind, size or curve"},
    [KEY_UNSAFE] = {"unsafe_key", "is no point of the curve, or has numbers that no safe key has"},
};

static void add_error(struct field_errors *errors, const char *field, const char *code, const char *detail)
{
    if (errors->count < FIELD_ERRORS_MAX)
        errors->rows[errors->count++] = (struct field_error){.field = field, .code = code, .detail = detail};
}

static bool has_error(const struct field_errors *errors, const char *field)
{
    for (size_t i = 0; i < errors->count; i++)
        if (strcmp(errors->rows[i].field, field) == 0)
            return true;
    return false;
}

/* Fields that come together or not at all. One that is wrong already counts as given. */
struct together {
    const char *field;
    bool given;
};

static bool all_together(struct together *fields, size_t count, const char *detail,
                         struct field_errors *errors)
{
    size_t given = 0, good = 0;
    for (size_t i = 0; i < count; i++) {
        good += fields[i].given;
        fields[i].given = fields[i].given || has_error(errors, fields[i].field);
        given += fields[i].given;
    }
    for (size_t i = 0; i < count && given > 0; i++)
        if (!fields[i].given)
            add_error(errors, fields[i].field, "required", detail);
    return good == count;
}

void key_rules_of_user(const ProtobufCMessage *message, struct field_errors *errors)
{
    const Pb__UsersCreate *request = (const Pb__UsersCreate *)message;
    struct together fields[] = {{"public_key", request->public_key != NULL},
                                {"key_algorithm", request->has_key_algorithm}};
    if (!all_together(fields, ARRAY_LEN(fields), "public_key and key_algorithm need each other", errors))
        return;
    enum key_verdict verdict =
        signature_check_key((enum signature_algorithm)request->key_algorithm, request->public_key);
    if (verdict != KEY_FINE)
        add_error(errors, "public_key", key_faults[verdict].code, key_faults[verdict].detail);
}

void key_rules_of_post(const ProtobufCMessage *message, struct field_errors *errors)
{
    const Pb__PostsCreate *request = (const Pb__PostsCreate *)message;
    struct together fields[] = {{"signature", request->signature != NULL},
                                {"signature_algorithm", request->has_signature_algorithm},
                                {"signed_at", request->has_signed_at}};
    (void)all_together(fields, ARRAY_LEN(fields),
                       "signature, signature_algorithm and signed_at need each other", errors);
    if (request->has_signed_at && request->signed_at > SIGNED_AT_MAX)
        add_error(errors, "signed_at", "too_large", "must be at most 9007199254740991");
}
