/*
 * head_checker.c: the verdict is the same however the bytes are cut, and what the filter leaves for evhttp is
 * itself fine, has nothing left to take out, and holds the same requests.
 * Input: a byte that seeds the cuts, then what a client sends.
 */
#include <stdlib.h>
#include <string.h>

#include "common/fatal.h"
#include "gateway/head_checker.h"
#include "tests/fuzz/fuzz.h"

#define PIECE_MAX 64

/* Each piece in memory of its own size, so that AddressSanitizer sees a look beyond it. Returns how many
 * bytes are left in `left`; SIZE_MAX: refused. */
static size_t filter_in_pieces(struct head_checker *checker, const uint8_t *data, size_t size, uint32_t seed,
                               char *left)
{
    size_t length = 0;
    for (size_t at = 0; at < size;) {
        size_t piece = 1 + fuzz_random(&seed) % PIECE_MAX;
        if (piece > size - at)
            piece = size - at;
        char *copy = xmalloc(piece);
        memcpy(copy, data + at, piece);
        size_t kept = piece;
        enum head_verdict verdict = head_checker_filter(checker, copy, &kept);
        ensure(kept <= piece);
        if (verdict == HEAD_MORE)
            memcpy(left + length, copy, kept);
        free(copy);
        if (verdict == HEAD_REFUSED)
            return SIZE_MAX;
        length += kept;
        at += piece;
    }
    return length;
}

static void expect_same(const struct head_checker *a, const struct head_checker *b)
{
    ensure(head_checker_status(a) == head_checker_status(b));
    ensure(head_checker_phase(a) == head_checker_phase(b));
    ensure(head_checker_heads(a) == head_checker_heads(b));
    ensure(head_checker_requests(a) == head_checker_requests(b));
}

static void expect_clean(const struct head_checker *first, char *left, size_t length)
{
    struct head_checker *again = head_checker_new();
    size_t kept = length;
    ensure(head_checker_filter(again, left, &kept) == HEAD_MORE);
    ensure(kept == length);
    ensure(head_checker_requests(again) == head_checker_requests(first));
    ensure(head_checker_heads(again) == head_checker_heads(first));
    head_checker_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint32_t seed = fuzz_byte(&input);
    struct head_checker *whole = head_checker_new(), *split = head_checker_new();
    char *left = xmalloc(input.left + 1);
    enum head_verdict verdict = head_checker_feed(whole, (const char *)input.at, input.left);
    size_t length = filter_in_pieces(split, input.at, input.left, seed, left);
    ensure((verdict == HEAD_REFUSED) == (length == SIZE_MAX));
    expect_same(whole, split);
    if (verdict == HEAD_REFUSED)
        ensure(head_checker_detail(whole)[0] != '\0');
    else
        expect_clean(whole, left, length);
    free(left);
    head_checker_free(whole);
    head_checker_free(split);
    return 0;
}
