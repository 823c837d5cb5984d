#include "tests/sim/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/client.h"

enum { BAR_WIDTH = 40 };

#define ERASE_LINE "\r\033[K"

void progress_start(struct progress *progress, bool quiet)
{
    *progress = (struct progress){.shown = !quiet && isatty(STDERR_FILENO)};
}

bool progress_due(const struct progress *progress)
{
    return progress->shown && client_now_us() - progress->drawn_us >= PROGRESS_INTERVAL_US;
}

void progress_bar(struct progress *progress, const char *what, uint64_t done, uint64_t total)
{
    char bar[BAR_WIDTH + 1];
    size_t filled = total > 0 ? (size_t)((done < total ? done : total) * BAR_WIDTH / total) : 0;

    if (!progress_due(progress)) {
        return;
    }
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '=', filled);
    bar[BAR_WIDTH] = '\0';
    progress_line(progress, "%s [%s] %" PRIu64 "/%" PRIu64, what, bar, done, total);
}

void progress_line(struct progress *progress, const char *format, ...)
{
    va_list arguments;

    if (!progress_due(progress)) {
        return;
    }
    progress->drawn_us = client_now_us();
    fputs(ERASE_LINE, stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown && progress->drawn_us > 0) {
        fputs(ERASE_LINE, stderr);
        fflush(stderr);
    }
}
