/* A hash table from a pair of numbers to a number. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

struct table;

struct table_entry {
    uint64_t a, b, value;
};

struct table *table_new(void) MUST_USE;
void table_free(struct table *table);
size_t table_count(const struct table *table);

/* The value's place until the next table_put, or NULL if there is none. */
uint64_t *table_find(const struct table *table, uint64_t a, uint64_t b) MUST_USE;
/* The same; made with value 0 where there was none. */
uint64_t *table_put(struct table *table, uint64_t a, uint64_t b);
/* 0 where there is none. */
uint64_t table_get(const struct table *table, uint64_t a, uint64_t b);

/* Walks all entries in no order: start with *cursor 0. False after the last. */
bool table_next(const struct table *table, size_t *cursor, struct table_entry *entry) MUST_USE;
