/*
 * Structured, one line an entry, to stderr:
 *   2026-01-31T12:00:00.123Z info  worker[4711] engine restarted engine=posts restarts=1
 * When stderr is the journal (JOURNAL_STREAM names it, sd-daemon(3)), time and level are left to it: each
 * line begins with "<N>" (N: syslog priority) instead. Values with spaces, quotes, '=' or control characters
 * are quoted and escaped, so that no client can forge a line. Lines over LOG_LINE_MAX_BYTES are cut.
 *
 * The logger is a process's root object by nature; log_open comes first in main. Not for signal handlers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/attributes.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `role` ("worker", "posts") stands in each line. `role` is copied. */
void log_open(const char *role, enum log_level level);
bool log_level_parse(const char *name, enum log_level *level) MUST_USE;
void log_level_set(enum log_level level);
bool log_enabled(enum log_level level);

/* The message is a plain phrase; the pairs that follow are "key=%s"-style formatted by the caller through
 * log_quote where a value comes from outside. */
#define log_error(...)  log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)   log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)   log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)  (log_enabled(LOG_LEVEL_DEBUG) ? log_line(LOG_LEVEL_DEBUG, __VA_ARGS__) : (void)0)

PRINTF_LIKE(2, 3) void log_line(enum log_level level, const char *format, ...);

/* Writes `text` as one safe logfmt value into `out` (cut to fit, always terminated); returns out. */
const char *log_quote(char *out, size_t out_size, const char *text);

/* Many lines, one write: between begin and flush, lines are kept (up to LOG_BUFFER_BYTES, then written). Used
 * by worker loops once a turn. Errors and warnings are written at once, after what was kept. */
void log_buffering(bool on);
void log_flush(void);
