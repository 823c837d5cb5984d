#include "engined/crashes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/limits.h"
#include "common/log.h"

#define PATH_BYTES 4096

struct crash {
    uint64_t fingerprint; /* 0: nothing was being decided */
    uint64_t at_ms;
    uint64_t command;
};

struct blame {
    uint64_t fingerprint, until_ms;
};

struct crashes {
    int fd; /* -1: no file */
    struct blame blames[LIMIT_CRASHES_KEPT];
    size_t blame_count;
};

/* What the signal handler writes, where, and for whom. */
static struct {
    struct crash deciding;
    struct trace trace;
    int fd;
    pthread_t actor;
} note = {.fd = -1};

static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

struct last_line {
    char text[192];
    size_t length;
};

static void put_text(struct last_line *line, const char *text)
{
    while (*text != '\0' && line->length < sizeof(line->text))
        line->text[line->length++] = *text++;
}

static void put_number(struct last_line *line, uint64_t value, unsigned base, unsigned digits_min)
{
    char digits[24];
    unsigned count = 0;
    for (; value > 0 || count < digits_min; value /= base)
        digits[count++] = "0123456789abcdef"[value % base];
    while (count > 0 && line->length < sizeof(line->text))
        line->text[line->length++] = digits[--count];
}

/* Its form is trace_text's, which is not for signal handlers. */
static void write_last_line(void)
{
    struct last_line line = {.length = 0};
    put_text(&line, "error  died deciding a request id=");
    if (note.trace.given != NULL && note.trace.given[0] != '\0') {
        put_text(&line, note.trace.given);
    } else if (note.trace.number == 0) {
        put_text(&line, "-");
    } else {
        put_number(&line, note.trace.sender, 16, 16);
        put_text(&line, "-");
        put_number(&line, note.trace.number, 10, 1);
    }
    put_text(&line, " command=0x");
    put_number(&line, note.deciding.command, 16, 4);
    put_text(&line, "\n");
    (void)!write(STDERR_FILENO, line.text, line.length);
}

/* Only what is async-signal-safe. The disposition is the default again when it runs (SA_RESETHAND). */
static void on_death(int signal)
{
    if (note.deciding.fingerprint != 0 && note.fd >= 0 && pthread_equal(pthread_self(), note.actor)) {
        (void)!write(note.fd, &note.deciding, sizeof(note.deciding));
        write_last_line();
    }
    raise(signal);
}

/* A signal that somebody handles already (a sanitizer) stays theirs. */
static void watch_deaths(void)
{
    for (size_t i = 0; i < ARRAY_LEN(deadly); i++) {
        struct sigaction old, watch = {.sa_handler = on_death, .sa_flags = SA_RESETHAND | SA_NODEFER};
        if (sigaction(deadly[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            ensure(sigaction(deadly[i], &watch, NULL) == 0);
    }
}

/* The newest of those in the file; what is not whole, or from the future, is left out. */
static size_t read_crashes(int fd, struct crash *out, uint64_t now_ms)
{
    struct crash crash;
    size_t count = 0;
    while (read(fd, &crash, sizeof(crash)) == (ssize_t)sizeof(crash)) {
        if (crash.fingerprint == 0 || crash.at_ms > now_ms || now_ms - crash.at_ms > LIMIT_CRASH_MEMORY_MS)
            continue;
        if (count == LIMIT_CRASHES_KEPT)
            memmove(out, out + 1, --count * sizeof(out[0]));
        out[count++] = crash;
    }
    return count;
}

/* Each that died of what LIMIT_CRASHES - 1 before it died of, too, renews the blame. */
static void find_blames(struct crashes *crashes, const struct crash *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t alike = 0, last = i;
        for (size_t k = 0; k < count; k++) {
            if (found[k].fingerprint != found[i].fingerprint)
                continue;
            alike++;
            last = k;
        }
        if (last != i || alike < LIMIT_CRASHES)
            continue;
        crashes->blames[crashes->blame_count++] = (struct blame){
            .fingerprint = found[i].fingerprint, .until_ms = found[i].at_ms + LIMIT_CRASH_MEMORY_MS};
        log_error("this engine died of the same request %zu times; it is refused command=0x%04llx", alike,
                  (unsigned long long)found[i].command);
    }
}

/* Without room for notes the engine serves all the same. */
static void rewrite(struct crashes *crashes, const struct crash *found, size_t count)
{
    ssize_t length = (ssize_t)(count * sizeof(found[0]));
    if (ftruncate(crashes->fd, 0) != 0 || write(crashes->fd, found, (size_t)length) != length)
        log_warn("cannot write the notes of crashes error=\"%s\"", strerror(errno));
}

struct crashes *crashes_open(const char *dir, const char *name, uint64_t now_ms)
{
    struct crashes *crashes = xcalloc(1, sizeof(*crashes));
    struct crash found[LIMIT_CRASHES_KEPT];
    char path[PATH_BYTES];
    if (snprintf(path, sizeof(path), "%s/%s.crashes", dir, name) >= (int)sizeof(path))
        fatal_exit(EXIT_CONFIG, "the state directory's name is too long");
    crashes->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (crashes->fd < 0) {
        log_warn("cannot open the notes of crashes error=\"%s\"", strerror(errno));
        return crashes;
    }
    size_t count = read_crashes(crashes->fd, found, now_ms);
    find_blames(crashes, found, count);
    rewrite(crashes, found, count);
    note.fd = crashes->fd;
    note.actor = pthread_self();
    watch_deaths();
    return crashes;
}

void crashes_close(struct crashes *crashes)
{
    note.fd = -1;
    if (crashes->fd >= 0)
        close(crashes->fd);
    free(crashes);
}

void crashes_deciding(struct crashes *crashes, uint64_t fingerprint, uint16_t command, uint64_t now_ms,
                      const struct trace *trace)
{
    (void)crashes;
    note.trace = *trace;
    note.deciding = (struct crash){.fingerprint = fingerprint, .at_ms = now_ms, .command = command};
}

void crashes_decided(struct crashes *crashes)
{
    (void)crashes;
    note.deciding.fingerprint = 0;
}

bool crashes_blame(const struct crashes *crashes, uint64_t fingerprint, uint64_t now_ms)
{
    for (size_t i = 0; i < crashes->blame_count; i++)
        if (crashes->blames[i].fingerprint == fingerprint)
            return now_ms < crashes->blames[i].until_ms;
    return false;
}
