#include "proto/version_page.h"

/* The finalizer of MurmurHash3: ids count up, and neighbours must not share buckets with another kind's. */
uint32_t version_bucket(enum version_kind kind, uint64_t id)
{
    uint64_t hash = id * VERSION_KINDS + (uint64_t)kind;
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
    return (uint32_t)(hash ^ hash >> 33) % VERSION_BUCKETS;
}
