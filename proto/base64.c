#include "proto/base64.h"

#include <sodium.h>

/* libsodium (1.0.18) takes them all for its alphabet's last letter. */
static bool is_beyond_ascii(char letter)
{
    return ((unsigned char)letter & 0x80) != 0;
}

bool base64_decode(const char *text, size_t length, int variant, uint8_t *bytes, size_t size, size_t *decoded)
{
    for (size_t i = 0; i < length; i++)
        if (is_beyond_ascii(text[i]))
            return false;
    return sodium_base642bin(bytes, size, text, length, NULL, decoded, NULL, variant) == 0;
}
