/*
 * Asks the running engines and password processes, as a gateway worker does: over NNG, sealed with the MAC
 * key. Whoever can read that key may. Nothing is opened for it; where the processes have a network of their
 * own (systemd's PrivateNetwork), that network is joined, which only root can.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "common/limits.h"
#include "common/options.h"
#include "deploy/state/state_dir.h"
#include "proto/domains.h"
#include "proto/engine.pb-c.h"
#include "proto/schema.h"
#include "proto/schema_commands.h"
#include "proto/status.h"

struct engines_options {
    const char *state_dir;
    const char *mac_key; /* NULL: STATE-DIR/mac.key */
    unsigned port_base;
    unsigned password_processes;
};
/* The flags of those, for the table of a sub-command. */
#define ENGINES_OPTIONS_DEFAULT                                                                              \
    {                                                                                                        \
        .state_dir = state_dir_default(), .port_base = DOMAIN_PORT_BASE_DEFAULT, .password_processes = 2     \
    }
#define ENGINES_OPTION_ROWS(options)                                                                         \
    {"state-dir", OPTION_STRING, &(options)->state_dir, 0, 0, NULL, "DIR", "where all data is"},             \
        {"mac-key",                                                                                          \
         OPTION_STRING,                                                                                      \
         &(options)->mac_key,                                                                                \
         0,                                                                                                  \
         0,                                                                                                  \
         NULL,                                                                                               \
         "FILE",                                                                                             \
         "key of the batches (default STATE-DIR/mac.key or /etc/forumd/mac.key)"},                           \
        {"port-base",                                                                                        \
         OPTION_UINT,                                                                                        \
         &(options)->port_base,                                                                              \
         1024,                                                                                               \
         DOMAIN_PORT_BASE_MAX,                                                                               \
         NULL,                                                                                               \
         "N",                                                                                                \
         "engines listen on N + 1, N + 2, ..."},                                                             \
    {                                                                                                        \
        "password-processes", OPTION_UINT, &(options)->password_processes, 1, LIMIT_PASSWORD_PROCESSES,      \
            NULL, "N", "how many password processes there are"                                               \
    }

struct engines;
/* Exits with one clear line when the key cannot be read or the network not be joined. */
struct engines *engines_open(const struct engines_options *options) MUST_USE;
void engines_close(struct engines *engines);

#define ENGINES_MAX (DOMAIN_COUNT - DOMAIN_FIRST + LIMIT_PASSWORD_PROCESSES)
struct engine_answer {
    enum domain_id domain;
    unsigned member;          /* of the password processes */
    pid_t pid;                /* of an engine, whether it answers or not; 0: not known, or none */
    Pb__EngineStatus *status; /* in the arena; NULL: it did not answer */
};
/* All of them at once, within `timeout_ms`; engines first. Returns how many rows. */
size_t engines_ping(struct engines *engines, struct arena *arena, uint64_t timeout_ms,
                    struct engine_answer out[static ENGINES_MAX]);

/* One command to the engine that it is of, and its reply in the arena. Deferred answers are waited for.
 * STATUS_ENGINE_UNAVAILABLE: there was no answer within LIMIT_ADMIN_MS. */
struct admin_command {
    enum command_index command;
    uint64_t actor; /* 0: nobody */
    const char *actor_name;
    const ProtobufCMessage *request;
};
enum status engines_run(struct engines *engines, const struct admin_command *command, struct arena *arena,
                        ProtobufCMessage **reply) MUST_USE;
