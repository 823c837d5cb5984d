/*
 * What the users engine asks its password processes: one job a parked command, which waits until a process is
 * free and then is with it alone. A job that got no answer goes to the front again, and to another process if
 * there is one. Bounded by LIMIT_PASSWORD_JOBS. Actor's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/attributes.h"
#include "proto/passwords.pb-c.h"

struct password_jobs;
struct password_job;

/* `members`: how many processes there are; 0: none, and no job is taken. */
struct password_jobs *password_jobs_new(unsigned members) MUST_USE;
void password_jobs_free(struct password_jobs *jobs); /* after all its jobs */
bool password_jobs_have_room(const struct password_jobs *jobs) MUST_USE;

/* Copies the request. The owner frees the job: at any time. */
struct password_job *password_job_new(struct password_jobs *jobs, const Pb__PasswordsCheck *request) MUST_USE;
void password_job_free(struct password_job *job); /* wipes what it held; NULL is fine */
/* The job's hash is this one (NULL: none): only then is its answer an answer to what is asked now. */
bool password_job_is_of(const struct password_job *job, const char *hash) MUST_USE;
/* True when there is an answer; *new_hash (NULL: none was made) lives as long as the job. */
bool password_job_done(const struct password_job *job, bool *matches, const char **new_hash) MUST_USE;

/* The next question: which process, and its packed payload, valid until the job is freed. False: none. */
bool password_jobs_next(struct password_jobs *jobs, uint64_t now_ms, unsigned *member,
                        const uint8_t **payload, size_t *length) MUST_USE;
/* `reply` NULL: none came. */
void password_jobs_answered(struct password_jobs *jobs, unsigned member, const Pb__PasswordsChecked *reply,
                            uint64_t now_ms);
/* When password_jobs_next may have something without anything else happening; UINT64_MAX: never. */
uint64_t password_jobs_next_ms(const struct password_jobs *jobs);
