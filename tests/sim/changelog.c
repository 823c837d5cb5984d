#include "tests/sim/changelog.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/sim/memory.h"
#include "tests/sim/text.h"

enum { READ_BYTES = 64 << 10, NO_BULLET = -1 };

struct line {
    const char *start; /* after the indent */
    size_t length;     /* without blanks at the end */
    size_t indent;
};

struct parser {
    struct changelog *changelog;
    struct changelog_entry *entry; /* being read, or NULL */
    struct text_buffer content;
    char *author; /* of the section, or NULL */
    bool sub_bullets;
    long top, sub; /* the bullets that a following line may belong to, or NO_BULLET */
    size_t top_indent, sub_indent;
    struct text_buffer *texts; /* of the entry's bullets */
    size_t text_count, text_capacity;
};

static struct line line_of(const char *start, size_t length)
{
    struct line line = {.start = start, .length = length};

    while (line.length > 0 && isspace((unsigned char)line.start[line.length - 1])) {
        line.length--;
    }
    while (line.length > 0 && (line.start[0] == ' ' || line.start[0] == '\t')) {
        line.indent += line.start[0] == '\t' ? 8 : 1;
        line.start++;
        line.length--;
    }
    return line;
}

/* ---- what a line is ---- */

/* "package (version) distributions; key=value": the lengths of the first two, or false. */
static bool is_head(const struct line *line, size_t *package, const char **version, size_t *version_length)
{
    const char *open, *close;

    if (line->indent > 0 || line->length == 0 || !isalnum((unsigned char)line->start[0])) {
        return false;
    }
    for (*package = 0; *package < line->length && line->start[*package] != ' '; ++*package) {
        if (!isalnum((unsigned char)line->start[*package]) && strchr("+-.", line->start[*package]) == NULL) {
            return false;
        }
    }
    open = line->start + *package + 1;
    if (*package + 2 >= line->length || *open != '(') {
        return false;
    }
    close = memchr(open, ')', (size_t)(line->start + line->length - open));
    if (close == NULL || close == open + 1 || memchr(open, ' ', (size_t)(close - open)) != NULL) {
        return false;
    }
    *version = open + 1;
    *version_length = (size_t)(close - open - 1);
    return true;
}

/* " -- Name <address>  date" */
static bool is_trailer(const struct line *line)
{
    return line->indent == 1 && line->length >= 3 && memcmp(line->start, "-- ", 3) == 0;
}

static bool is_bullet(const struct line *line, const char *marks)
{
    return line->indent > 0 && line->length > 0 && strchr(marks, line->start[0]) != NULL &&
           (line->length == 1 || line->start[1] == ' ' || line->start[1] == '\t');
}

/* "[ Name ]" */
static bool is_section(const struct line *line)
{
    return line->indent > 0 && line->length > 4 && memcmp(line->start, "[ ", 2) == 0 &&
           memcmp(line->start + line->length - 2, " ]", 2) == 0;
}

/* ---- the parts of an entry ---- */

static char *name_of(const char *start, size_t length)
{
    char *name = mem_text_part(start, length);
    char *address = strchr(name, '<');

    if (address != NULL) {
        *address = '\0';
    }
    text_trim(name);
    if (name[0] == '"') {
        memmove(name, name + 1, strlen(name));
        name[strcspn(name, "\"")] = '\0';
        text_trim(name);
    }
    if (name[0] == '\0') {
        free(name);
        return NULL;
    }
    return name;
}

static void end_entry(struct parser *parser)
{
    struct changelog_entry *entry = parser->entry;
    size_t kept = 0;

    if (entry == NULL) {
        return;
    }
    entry->content = parser->content.bytes != NULL ? parser->content.bytes : mem_text("");
    parser->content = (struct text_buffer){0};
    for (size_t i = 0; i < entry->bullet_count; i++) {
        entry->bullets[i].text = parser->texts[i].bytes != NULL ? parser->texts[i].bytes : mem_text("");
        text_trim(entry->bullets[i].text);
    }
    /* Bullets with nothing behind them are dropped, with all that would answer them made top bullets. */
    for (size_t i = 0; i < entry->bullet_count; i++) {
        struct changelog_bullet *bullet = &entry->bullets[i];

        if (bullet->text[0] == '\0') {
            for (size_t later = i + 1; later < entry->bullet_count; later++) {
                size_t parent = entry->bullets[later].parent;

                entry->bullets[later].parent = parent == kept + 1  ? 0
                                               : parent > kept + 1 ? parent - 1
                                                                   : parent;
            }
            free(bullet->text);
            free(bullet->author);
        } else {
            entry->bullets[kept++] = *bullet;
        }
    }
    entry->bullet_count = kept;
    free(parser->author);
    parser->author = NULL;
    parser->entry = NULL;
    parser->text_count = 0;
}

static void start_entry(struct parser *parser, const struct line *line, size_t package, const char *version,
                        size_t version_length)
{
    struct changelog *log = parser->changelog;

    end_entry(parser);
    log->entries = mem_grow(log->entries, log->entry_count, &log->entry_capacity, sizeof log->entries[0]);
    parser->entry = &log->entries[log->entry_count++];
    *parser->entry = (struct changelog_entry){.package = mem_text_part(line->start, package),
                                              .version = mem_text_part(version, version_length),
                                              .title = mem_text_part(line->start, line->length)};
    parser->top = NO_BULLET;
    parser->sub = NO_BULLET;
}

static void add_content(struct parser *parser, const char *start, size_t length)
{
    /* No empty lines at the start. */
    if (length == 0 && parser->content.length == 0) {
        return;
    }
    text_add(&parser->content, start, length);
    text_add(&parser->content, "\n", 1);
}

/* The text after the mark. */
static void add_bullet_text(struct text_buffer *text, const char *separator, const struct line *line,
                            size_t skip)
{
    while (skip < line->length && (line->start[skip] == ' ' || line->start[skip] == '\t')) {
        skip++;
    }
    if (skip < line->length) {
        text_add(text, separator, text->length > 0 ? strlen(separator) : 0);
        text_add(text, line->start + skip, line->length - skip);
    }
}

static long start_bullet(struct parser *parser, const struct line *line, long parent)
{
    struct changelog_entry *entry = parser->entry;

    parser->texts =
        mem_grow(parser->texts, parser->text_count, &parser->text_capacity, sizeof parser->texts[0]);
    parser->texts[parser->text_count] = (struct text_buffer){0};
    add_bullet_text(&parser->texts[parser->text_count++], "", line, 1);
    entry->bullets =
        mem_grow(entry->bullets, entry->bullet_count, &entry->bullet_capacity, sizeof entry->bullets[0]);
    entry->bullets[entry->bullet_count] =
        (struct changelog_bullet){.author = parser->author != NULL ? mem_text(parser->author) : NULL,
                                  .parent = parent == NO_BULLET ? 0 : (size_t)parent + 1};
    return (long)entry->bullet_count++;
}

static void take_sub_bullet(struct parser *parser, const struct line *line)
{
    bool nested = parser->sub != NO_BULLET && line->indent > parser->sub_indent;

    if (!parser->sub_bullets) {
        add_bullet_text(&parser->texts[parser->top], "\n", line, 0);
        return;
    }
    /* One level is told apart; what is deeper stays in its text. */
    if (nested) {
        add_bullet_text(&parser->texts[parser->sub], "\n", line, 0);
        return;
    }
    parser->sub = start_bullet(parser, line, parser->top);
    parser->sub_indent = line->indent;
}

static void take_body(struct parser *parser, const struct line *line)
{
    if (line->length == 0) {
        return;
    }
    if (is_section(line)) {
        free(parser->author);
        parser->author = name_of(line->start + 2, line->length - 4);
        parser->top = NO_BULLET;
        parser->sub = NO_BULLET;
    } else if (is_bullet(line, "*") ||
               (is_bullet(line, "-+") && (parser->top == NO_BULLET || line->indent <= parser->top_indent))) {
        parser->top = start_bullet(parser, line, NO_BULLET);
        parser->sub = NO_BULLET;
        parser->top_indent = line->indent;
    } else if (is_bullet(line, "-+")) {
        take_sub_bullet(parser, line);
    } else if (parser->sub != NO_BULLET && line->indent > parser->sub_indent) {
        add_bullet_text(&parser->texts[parser->sub], " ", line, 0);
    } else if (parser->top != NO_BULLET) {
        add_bullet_text(&parser->texts[parser->top], " ", line, 0);
    }
}

static void take_line(struct parser *parser, const char *start, size_t length)
{
    struct line line = line_of(start, length);
    size_t package, version_length;
    const char *version;

    if (is_head(&line, &package, &version, &version_length)) {
        start_entry(parser, &line, package, version, version_length);
    } else if (parser->entry == NULL || (line.indent == 0 && line.length > 0 && line.start[0] == '#')) {
        return; /* before the first entry, or "# Older entries have been removed ..." */
    } else if (is_trailer(&line)) {
        add_content(parser, start, (size_t)(line.start + line.length - start));
        parser->entry->maintainer = name_of(line.start + 3, line.length - 3);
        end_entry(parser);
    } else {
        add_content(parser, start, (size_t)(line.start + line.length - start));
        take_body(parser, &line);
    }
}

struct changelog *changelog_parse(const char *text, bool sub_bullets)
{
    struct changelog *changelog = mem_zeroed(1, sizeof *changelog);
    struct parser parser = {.changelog = changelog, .sub_bullets = sub_bullets};

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        take_line(&parser, text, length);
        text += length + (text[length] == '\n');
    }
    end_entry(&parser);
    free(parser.texts);
    return changelog;
}

struct changelog *changelog_read(const char *path, bool sub_bullets)
{
    gzFile file = gzopen(path, "rbe");
    struct text_buffer bytes = {0};
    struct changelog *changelog = NULL;
    char part[READ_BYTES];
    char *text;
    int got;

    if (file == NULL) {
        return NULL;
    }
    text_add(&bytes, "", 0);
    while ((got = gzread(file, part, sizeof part)) > 0 && bytes.length + (size_t)got <= CHANGELOG_MAX_BYTES) {
        text_add(&bytes, part, (size_t)got);
    }
    gzclose(file);
    if (got >= 0) {
        text = text_to_utf8(bytes.bytes, bytes.length);
        changelog = changelog_parse(text, sub_bullets);
        free(text);
    }
    free(bytes.bytes);
    return changelog;
}

void changelog_free(struct changelog *changelog)
{
    if (changelog == NULL) {
        return;
    }
    for (size_t i = 0; i < changelog->entry_count; i++) {
        struct changelog_entry *entry = &changelog->entries[i];

        for (size_t at = 0; at < entry->bullet_count; at++) {
            free(entry->bullets[at].text);
            free(entry->bullets[at].author);
        }
        free(entry->bullets);
        free(entry->package);
        free(entry->version);
        free(entry->title);
        free(entry->content);
        free(entry->maintainer);
    }
    free(changelog->entries);
    free(changelog);
}
