#include "engined/password_jobs.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "engined/password_hash.h"

enum job_state { JOB_WAITING, JOB_ASKED, JOB_DONE };

struct password_job {
    struct password_jobs *jobs;
    TAILQ_ENTRY(password_job) link; /* JOB_WAITING */
    enum job_state state;
    unsigned member; /* JOB_ASKED */
    bool has_hash, matches, has_new_hash;
    char hash[PASSWORD_HASH_MAX], new_hash[PASSWORD_HASH_MAX];
    uint8_t *payload;
    size_t length;
};

struct member {
    bool busy;                /* a question is under way */
    struct password_job *job; /* it is for this one; NULL: who asked is gone */
    uint64_t pause_ms;        /* not to be asked before */
};

TAILQ_HEAD(waiting, password_job);

struct password_jobs {
    struct waiting waiting;
    size_t count;
    unsigned member_count, next_member;
    struct member members[LIMIT_PASSWORD_PROCESSES];
};

struct password_jobs *password_jobs_new(unsigned members)
{
    ensure(members <= LIMIT_PASSWORD_PROCESSES);
    struct password_jobs *jobs = xcalloc(1, sizeof(*jobs));
    jobs->member_count = members;
    TAILQ_INIT(&jobs->waiting);
    return jobs;
}

void password_jobs_free(struct password_jobs *jobs)
{
    ensure(jobs->count == 0);
    free(jobs);
}

bool password_jobs_have_room(const struct password_jobs *jobs)
{
    return jobs->member_count > 0 && jobs->count < LIMIT_PASSWORD_JOBS;
}

static void copy_hash(char *out, const char *hash)
{
    size_t length = strlen(hash);
    ensure(length < PASSWORD_HASH_MAX);
    memcpy(out, hash, length + 1);
}

struct password_job *password_job_new(struct password_jobs *jobs, const Pb__PasswordsCheck *request)
{
    struct password_job *job = xcalloc(1, sizeof(*job));
    job->jobs = jobs;
    job->has_hash = request->hash != NULL;
    if (job->has_hash)
        copy_hash(job->hash, request->hash);
    job->length = pb__passwords_check__get_packed_size(request);
    job->payload = xmalloc(job->length > 0 ? job->length : 1);
    pb__passwords_check__pack(request, job->payload);
    TAILQ_INSERT_TAIL(&jobs->waiting, job, link);
    jobs->count++;
    return job;
}

void password_job_free(struct password_job *job)
{
    if (job == NULL)
        return;
    if (job->state == JOB_WAITING)
        TAILQ_REMOVE(&job->jobs->waiting, job, link);
    if (job->state == JOB_ASKED)
        job->jobs->members[job->member].job = NULL;
    job->jobs->count--;
    sodium_memzero(job->payload, job->length);
    free(job->payload);
    sodium_memzero(job, sizeof(*job));
    free(job);
}

bool password_job_is_of(const struct password_job *job, const char *hash)
{
    if (hash == NULL || !job->has_hash)
        return hash == NULL && !job->has_hash;
    return strcmp(job->hash, hash) == 0;
}

bool password_job_done(const struct password_job *job, bool *matches, const char **new_hash)
{
    if (job->state != JOB_DONE)
        return false;
    *matches = job->matches;
    *new_hash = job->has_new_hash ? job->new_hash : NULL;
    return true;
}

bool password_jobs_next(struct password_jobs *jobs, uint64_t now_ms, unsigned *member,
                        const uint8_t **payload, size_t *length)
{
    struct password_job *job = TAILQ_FIRST(&jobs->waiting);
    for (unsigned i = 0; job != NULL && i < jobs->member_count; i++) {
        unsigned index = (jobs->next_member + i) % jobs->member_count;
        struct member *chosen = &jobs->members[index];
        if (chosen->busy || now_ms < chosen->pause_ms)
            continue;
        TAILQ_REMOVE(&jobs->waiting, job, link);
        job->state = JOB_ASKED;
        job->member = *member = index;
        *payload = job->payload;
        *length = job->length;
        chosen->busy = true;
        chosen->job = job;
        jobs->next_member = index + 1;
        return true;
    }
    return false;
}

void password_jobs_answered(struct password_jobs *jobs, unsigned member, const Pb__PasswordsChecked *reply,
                            uint64_t now_ms)
{
    struct member *asked = &jobs->members[member];
    struct password_job *job = asked->job;
    *asked = (struct member){.pause_ms = reply == NULL ? now_ms + LIMIT_PASSWORD_PAUSE_MS : 0};
    if (job == NULL)
        return;
    if (reply == NULL) {
        job->state = JOB_WAITING;
        TAILQ_INSERT_HEAD(&jobs->waiting, job, link);
        return;
    }
    job->state = JOB_DONE;
    job->matches = reply->matches;
    job->has_new_hash = reply->new_hash != NULL && strlen(reply->new_hash) < PASSWORD_HASH_MAX;
    if (job->has_new_hash)
        copy_hash(job->new_hash, reply->new_hash);
}

uint64_t password_jobs_next_ms(const struct password_jobs *jobs)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; !TAILQ_EMPTY(&jobs->waiting) && i < jobs->member_count; i++)
        if (!jobs->members[i].busy && jobs->members[i].pause_ms < next)
            next = jobs->members[i].pause_ms;
    return next;
}
