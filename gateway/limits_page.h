/*
 * The page of limits: rate buckets and counts of failed log-ins of all workers of one gateway, and the key
 * that their owners are hashed with. A memfd that the master makes and every worker maps, so that it outlives
 * workers and reloads; it ends with the master.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"
#include "gateway/shared_slots.h"

#define LIMITS_TABLES 8 /* rate_limit.h's classes first, then login_guard.h's rules */

/* For the master: a new page with a random key. Exits (EXIT_OS) on trouble. */
int limits_page_make(void) MUST_USE;

struct limits_page;

/* `fd` -1 (unit tests), or a page laid out by another version of the program (a reload runs what was
 * installed meanwhile): a private page, and a warning about the latter. Exits (EXIT_OS) when it cannot be
 * mapped. */
struct limits_page *limits_page_open(int fd) MUST_USE;
void limits_page_close(struct limits_page *page);

struct shared_slots limits_page_table(const struct limits_page *page, unsigned table) MUST_USE;
/* What stands for these bytes as an owner in the tables: SipHash-2-4 under the page's key, so that nobody
 * outside can choose whom he shares a set with. Never 0. */
uint64_t limits_page_owner(const struct limits_page *page, const void *bytes, size_t length) MUST_USE;
