#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/limits.h"

#define LOG_ROLE_BYTES   32
#define LOG_SECOND_BYTES sizeof("2026-01-31T12:00:00")

static const struct level_row {
    const char *name;
    int syslog_priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3}, [LOG_LEVEL_WARN] = {"warn", 4},   [LOG_LEVEL_NOTICE] = {"notice", 5},
    [LOG_LEVEL_INFO] = {"info", 6},   [LOG_LEVEL_DEBUG] = {"debug", 7},
};

/* The process's logger. The lock lets helper threads log; only one thread forks, and execs right after. */
static struct {
    enum log_level level;
    char role[LOG_ROLE_BYTES];
    bool to_journal;
    bool buffering;
    pthread_mutex_t lock;
    time_t second; /* second_text is its text */
    char second_text[LOG_SECOND_BYTES];
    size_t kept;
    char buffer[LOG_BUFFER_BYTES];
} logger = {.level = LOG_LEVEL_INFO, .role = "forumd", .lock = PTHREAD_MUTEX_INITIALIZER, .second = -1};

/* JOURNAL_STREAM is "device:inode" of the stream that the journal reads (systemd.exec(5)); stderr may have
 * been redirected since. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    unsigned long long device;
    unsigned long long inode;
    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
        return false;
    return fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_open(const char *role, enum log_level level)
{
    pthread_mutex_lock(&logger.lock);
    snprintf(logger.role, sizeof(logger.role), "%s", role);
    logger.level = level;
    logger.to_journal = stderr_is_journal();
    pthread_mutex_unlock(&logger.lock);
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(name, levels[i].name) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_level_set(enum log_level level)
{
    logger.level = level;
}

bool log_enabled(enum log_level level)
{
    return level <= logger.level;
}

/* A log that cannot be written is lost: there is nobody to tell. */
static void write_all(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        length -= (size_t)written;
    }
}

static void flush_locked(void)
{
    write_all(logger.buffer, logger.kept);
    logger.kept = 0;
}

static size_t prefix_locked(char *out, size_t out_size, enum log_level level)
{
    if (logger.to_journal)
        return (size_t)snprintf(out, out_size, "<%d>%s[%d] ", levels[level].syslog_priority, logger.role,
                                (int)getpid());
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != logger.second) {
        struct tm parts;
        gmtime_r(&now.tv_sec, &parts);
        strftime(logger.second_text, sizeof(logger.second_text), "%Y-%m-%dT%H:%M:%S", &parts);
        logger.second = now.tv_sec;
    }
    return (size_t)snprintf(out, out_size, "%s.%03dZ %-6s %s[%d] ", logger.second_text,
                            (int)(now.tv_nsec / 1000000), levels[level].name, logger.role, (int)getpid());
}

/* One entry is one line, whatever a caller forgot to quote. */
static void blank_controls(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
}

static void emit_locked(enum log_level level, const char *line, size_t length)
{
    if (logger.kept + length > sizeof(logger.buffer))
        flush_locked();
    memcpy(logger.buffer + logger.kept, line, length);
    logger.kept += length;
    if (!logger.buffering || level <= LOG_LEVEL_WARN)
        flush_locked();
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    static const char cut_mark[] = "...";
    char line[LOG_LINE_MAX_BYTES];
    size_t room = sizeof(line) - 1; /* the newline */
    int kept_errno = errno;
    pthread_mutex_lock(&logger.lock);
    size_t prefix = prefix_locked(line, room, level);
    va_list args;
    va_start(args, format);
    errno = kept_errno;
    int wanted = vsnprintf(line + prefix, room - prefix, format, args);
    va_end(args);
    size_t length = prefix + (wanted > 0 ? (size_t)wanted : 0);
    if (length >= room) {
        length = room - 1;
        memcpy(line + length - (sizeof(cut_mark) - 1), cut_mark, sizeof(cut_mark) - 1);
    }
    blank_controls(line + prefix, length - prefix);
    line[length++] = '\n';
    emit_locked(level, line, length);
    pthread_mutex_unlock(&logger.lock);
    errno = kept_errno;
}

void log_buffering(bool on)
{
    pthread_mutex_lock(&logger.lock);
    logger.buffering = on;
    if (!on)
        flush_locked();
    pthread_mutex_unlock(&logger.lock);
}

void log_flush(void)
{
    pthread_mutex_lock(&logger.lock);
    flush_locked();
    pthread_mutex_unlock(&logger.lock);
}

/* Length of the well-formed UTF-8 sequence at `text` (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_length(const unsigned char *text)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (text[0] < rows[i].first_low || text[0] > rows[i].first_high)
            continue;
        if (text[1] < rows[i].second_low || text[1] > rows[i].second_high)
            return 0;
        for (size_t k = 2; k < rows[i].length; k++) {
            if (text[k] < 0x80 || text[k] > 0xbf)
                return 0;
        }
        return rows[i].length;
    }
    return 0;
}

/* Characters that could end a line, move a cursor or reorder text where the log is read. */
static bool is_unprintable(const unsigned char *text, size_t length)
{
    if (length == 1)
        return text[0] < 0x20 || text[0] == 0x7f;
    if (length == 2)
        return text[0] == 0xc2 && text[1] < 0xa0; /* C1 controls */
    if (length == 3 &&
        text[0] == 0xe2) /* U+200E/F, U+2028..202E, U+2066..2069: separators and bidi controls */
        return (text[1] == 0x80 &&
                (text[2] == 0x8e || text[2] == 0x8f || (text[2] >= 0xa8 && text[2] <= 0xae))) ||
               (text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9);
    return false;
}

static bool needs_quotes(const unsigned char *text)
{
    if (!*text)
        return true;
    for (size_t length; *text; text += length) {
        length = utf8_length(text);
        if (length == 0 || is_unprintable(text, length) || strchr(" \"=\\", *text))
            return true;
    }
    return false;
}

/* The longest piece: four bytes as \xNN, and the NUL. */
#define ESCAPED_BYTES (4 * 4 + 1)

/* One character of `text` as it stands between quotes; returns the bytes of `text` used. */
static size_t escape_next(char piece[static ESCAPED_BYTES], const unsigned char *text)
{
    size_t length = utf8_length(text);
    if (length == 0 || is_unprintable(text, length)) {
        char *end = piece;
        size_t used = length ? length : 1;
        for (size_t i = 0; i < used; i++)
            end += sprintf(end, "\\x%02x", text[i]);
        return used;
    }
    size_t at = 0;
    if (*text == '"' || *text == '\\')
        piece[at++] = '\\';
    memcpy(piece + at, text, length);
    piece[at + length] = '\0';
    return length;
}

const char *log_quote(char *out, size_t out_size, const char *text)
{
    if (out_size == 0)
        return "";
    const unsigned char *from = (const unsigned char *)text;
    bool quoted = needs_quotes(from);
    if (out_size < 3) {
        out[0] = '\0';
        return out;
    }
    size_t length = 0;
    size_t room = out_size - 1 - (quoted ? 1 : 0);
    if (quoted)
        out[length++] = '"';
    while (*from) {
        char piece[ESCAPED_BYTES];
        size_t used = escape_next(piece, from);
        size_t piece_length = strlen(piece);
        if (length + piece_length > room)
            break;
        memcpy(out + length, piece, piece_length);
        length += piece_length;
        from += used;
    }
    if (quoted)
        out[length++] = '"';
    out[length] = '\0';
    return out;
}
