#include "deploy/forumctl/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"

#define SHOW_EVERY_MS 100
#define BAR_CHARS     30

void progress_begin(struct progress *progress, const char *what)
{
    uint64_t now_ms = clock_monotonic_ms();
    *progress = (struct progress){
        .terminal = isatty(STDERR_FILENO) != 0, .what = what, .began_ms = now_ms, .shown_ms = now_ms};
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (!progress->terminal || now_ms < progress->shown_ms + SHOW_EVERY_MS)
        return;
    progress->shown_ms = now_ms;
    char bar[BAR_CHARS + 1];
    unsigned full = total > 0 ? (unsigned)(done * BAR_CHARS / total) : 0;
    for (unsigned i = 0; i < BAR_CHARS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_CHARS] = '\0';
    fprintf(stderr, "\r%-24s [%s] %3u%%", progress->what, bar,
            total > 0 ? (unsigned)(done * 100 / total) : 0);
}

void progress_end(struct progress *progress, const char *result)
{
    double seconds = (double)(clock_monotonic_ms() - progress->began_ms) / 1000;
    if (progress->terminal)
        fprintf(stderr, "\r\x1b[K"); /* to the line's end */
    fprintf(stderr, "%s: %s (%.1f s)\n", progress->what, result, seconds);
}

void progress_clear(struct progress *progress)
{
    if (progress->terminal)
        fprintf(stderr, "\r\x1b[K");
}
