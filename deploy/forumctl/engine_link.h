/*
 * Questions to engines, asked by a program that has nothing else to do: each waits for its answer. Sealed
 * with the MAC key of the state directory, as a worker's are.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attributes.h"
#include "proto/domains.h"

struct engine_link;

/* Exits when the key cannot be read, or the network that the engines of the state directory have not be
 * joined (engines_network.h). */
struct engine_link *engine_link_open(const char *state_dir, const char *mac_key_path,
                                     unsigned port_base) MUST_USE;
void engine_link_close(struct engine_link *link);
/*
 * NULL: no answer within the time, or none that can be read: *why tells. Else a message of the command's
 * reply type, freed with protobuf_c_message_free_unpacked.
 */
ProtobufCMessage *engine_link_ask(struct engine_link *link, enum domain_id domain, uint16_t command,
                                  const ProtobufCMessage *request, uint64_t timeout_ms,
                                  const char **why) MUST_USE;
