/*
 * A page of versions (version_page.h) as its readers have it: mapped read-only, and believed only while it is
 * still the file that has its name. Nobody is to replace that, but who puts an old copy of the whole
 * directory in its place does. The engine that writes the new one can answer only after it was put there, so
 * a look in the turn that reads a request is early enough.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/domains.h"
#include "proto/version_page.h"

struct version_map;

/* DIR/DOMAIN.versions, which need not be there yet. Exits (EXIT_CONFIG) where that is too long for a path. */
struct version_map *version_map_new(const char *dir, enum domain_id domain) MUST_USE;
void version_map_free(struct version_map *map); /* NULL is fine */

/* The page, or NULL: there is none that can be read. Looks at the file once for each `turn`, which counts up;
 * where there is no page, once in VERSION_MAP_RETRY_MS. The first time that the file cannot be opened is
 * logged, if there should be one. */
const struct version_page *version_map_look(struct version_map *map, uint64_t turn, uint64_t now_ms,
                                            bool expected) MUST_USE;

#define VERSION_MAP_RETRY_MS 1000u
