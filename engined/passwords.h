/*
 * `forumd-engined passwords`: a process that checks and hashes passwords for the users engine, one at a time,
 * and keeps nothing: no file, no event, no log line says what it was asked. There are a few of them (--member
 * 0, 1, ...), each on a port of its own.
 */
#pragma once

#include "common/attributes.h"

struct passwords_options {
    const char *mac_key_path;
    unsigned port_base;
    unsigned member;
};

/* Runs until SIGTERM, SIGINT or the parent's end. Returns the process's exit code. */
int passwords_run(const struct passwords_options *options) MUST_USE;
