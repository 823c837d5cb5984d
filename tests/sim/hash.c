#include "tests/sim/hash.h"

#include <string.h>

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

uint64_t hash_text(uint64_t hash, const char *text)
{
    const char *bytes = text != NULL ? text : "";

    return hash_bytes(hash, bytes, strlen(bytes) + 1);
}

uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return hash_finish(hash ^ hash_finish(number + UINT64_C(0x9e3779b97f4a7c15)));
}

uint64_t hash_finish(uint64_t hash)
{
    /* Finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}
