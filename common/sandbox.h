/*
 * What a process gives up once it has started, so that who takes it over gains little: new privileges, core
 * dumps and debuggers (the keys are in memory), and system calls that it never needs (seccomp).
 *
 * A list of what is denied rather than of what is allowed: NNG, SQLite, libevent and libc call what their
 * versions like, and a call that a list forgot would end an engine in the middle of its work.
 */
#pragma once

enum sandbox_role {
    SANDBOX_SUPERVISOR, /* starts programs: no more than "no new privileges" */
    SANDBOX_ENGINE,     /* opens, grows and removes files in its own directory */
    SANDBOX_WORKER,     /* changes no file: the gateway's, and those that hash passwords */
};

/*
 * Once, when everything is open; holds for all threads, those that run already too. A kernel without seccomp
 * is logged, and the process goes on. FORUMD_CORE_DUMPS=1 leaves core dumps and debuggers. Builds with
 * sanitizers keep everything but new privileges: their leak check is a debugger.
 */
void sandbox_enter(enum sandbox_role role);
