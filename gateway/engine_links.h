/*
 * The worker's connections to all engines: the one place of the gateway that joins engine clients to the
 * transport (common/caller.h). To be opened after fork, never before.
 */
#pragma once

#include "common/attributes.h"
#include "gateway/closed_sessions.h"
#include "gateway/engine_board.h"
#include "gateway/engine_client.h"
#include "gateway/engine_pages.h"
#include "gateway/metrics.h"
#include "gateway/request_ids.h"
#include "proto/domains.h"
#include "proto/frame.h"

struct engine_links;

/* Returns at once; connections are made in the background. What is pointed to must outlive the links. */
struct engine_links *engine_links_open(unsigned port_base, const struct mac_key *key, struct request_ids *ids,
                                       struct metrics *metrics, struct closed_sessions *closed,
                                       struct engine_pages *pages) MUST_USE;
/* No callback runs any more. NULL is fine. */
void engine_links_close(struct engine_links *links);

struct engine_client *engine_links_client(const struct engine_links *links, enum domain_id domain);
struct engine_board *engine_links_board(const struct engine_links *links);

/* Readable when engine_links_dispatch has answers to hand out. */
int engine_links_fd(const struct engine_links *links);
void engine_links_dispatch(struct engine_links *links);
/* In each turn: true when the process must end (caller_hub_stuck in common/caller.h). */
bool engine_links_stuck(struct engine_links *links, uint64_t now_ms) MUST_USE;
/* At the end of each turn: what is due, then what waits goes out. */
void engine_links_turn(struct engine_links *links, uint64_t now_ms);
/* When a turn has something to do next; UINT64_MAX: when there is traffic. */
uint64_t engine_links_next_ms(const struct engine_links *links);
