/*
 * The pages on which engines of this machine say what changed (proto/version_page.h), as a worker reads them.
 * Worker's thread only.
 *
 * A page counts only while the engine that answers this worker is the one that writes it: by the run in its
 * replies. So a page of another state directory, one that an engine of another layout writes, and one left by
 * an engine that was moved elsewhere are all as good as none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/domains.h"
#include "proto/version_page.h"

#define BASIS_OWNERS_MAX 2
#define BASIS_KEYS_MAX   128 /* more, and the answer is not kept */

/* How far an owner's page had come. */
struct page_mark {
    enum domain_id owner;
    uint64_t stamp, head;
};

/* What an answer rests on: marks read before anybody was asked, and what else must not have changed since. */
struct basis {
    unsigned owner_count, key_count;
    struct page_mark marks[BASIS_OWNERS_MAX];
    uint32_t *keys; /* basis_key */
};

/* `owner` is the index in `marks`. */
static inline uint32_t basis_key(unsigned owner, uint32_t bucket)
{
    return owner << 24 | bucket;
}

struct engine_pages;

/* `state_dir` NULL: the engines' is not here, and no page ever counts. It must stay. */
struct engine_pages *engine_pages_open(const char *state_dir) MUST_USE;
void engine_pages_close(struct engine_pages *pages); /* NULL is fine */
/* In each turn of the loop: files are looked at again before they are believed. */
void engine_pages_turn(struct engine_pages *pages, uint64_t now_ms);

/* Where the run of the engine that answered last is to be kept. */
uint64_t *engine_pages_run(struct engine_pages *pages, enum domain_id domain);
/* The engine must be asked something, whatever it is, before its page counts; true once a second at most. */
bool engine_pages_wants_answer(struct engine_pages *pages, enum domain_id domain) MUST_USE;

/* Reads the marks of the basis's owners: before the first of them is asked. False: an owner's page does not
 * count. */
bool engine_pages_mark(struct engine_pages *pages, struct basis *basis) MUST_USE;
/* Nothing that the basis names was raised since its marks were read. */
bool engine_pages_hold(struct engine_pages *pages, const struct basis *basis) MUST_USE;
