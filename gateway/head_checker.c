#include "gateway/head_checker.h"

#include <stdlib.h>
#include <string.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "common/limits.h"
#include "gateway/head_chars.h"
#include "gateway/head_fields.h"

/* Looks at one byte and says which state looks at the next. False: refused. */
typedef bool (*state_fn)(struct head_checker *checker, unsigned char c);

struct head_checker {
    state_fn state;
    enum head_phase phase;
    bool dropping;   /* the byte at hand is nothing that evhttp should see */
    bool in_trailer; /* fields are those of a trailer */
    unsigned blank_lines;
    size_t head_bytes, target_bytes, extension_bytes, trailer_bytes;
    uint64_t heads, requests;
    struct head_facts facts;
    enum head_field field; /* at hand */
    /* The method, version, scheme, field name (lower case) or host at hand; word_length goes on counting
     * where it is full. */
    char word[HEAD_FIELD_VALUE_MAX];
    size_t word_length;
    uint64_t body_left;  /* of the body, or of the chunk */
    uint64_t body_bytes; /* of all chunks so far */
    uint64_t chunk_bytes;
    unsigned chunk_digits;
    struct head_refusal refusal;
};

static bool at_start(struct head_checker *checker, unsigned char c);
static bool at_line(struct head_checker *checker, unsigned char c);
static bool in_target(struct head_checker *checker, unsigned char c);
static bool in_chunk_size(struct head_checker *checker, unsigned char c);

struct head_checker *head_checker_new(void)
{
    struct head_checker *checker = xcalloc(1, sizeof(*checker));
    checker->state = at_start;
    return checker;
}

void head_checker_free(struct head_checker *checker)
{
    free(checker);
}

static bool refuse_as(struct head_checker *checker, enum status status, const char *detail)
{
    checker->refusal = (struct head_refusal){.status = status, .detail = detail};
    return false;
}

static bool refuse(struct head_checker *checker, const char *detail)
{
    return refuse_as(checker, STATUS_BAD_REQUEST, detail);
}

static bool go(struct head_checker *checker, state_fn state)
{
    checker->state = state;
    return true;
}

static void word_begin(struct head_checker *checker)
{
    checker->word_length = 0;
}

static void word_add(struct head_checker *checker, char c)
{
    if (checker->word_length < sizeof(checker->word))
        checker->word[checker->word_length] = c;
    checker->word_length++;
}

static bool word_fits(const struct head_checker *checker)
{
    return checker->word_length <= sizeof(checker->word);
}

static bool refuse_line_end(struct head_checker *checker, unsigned char c)
{
    return refuse(checker,
                  c == '\n' ? "a line must end in CR LF, not in LF alone" : "a CR stands without its LF");
}

static bool request_ends(struct head_checker *checker)
{
    checker->requests++;
    checker->phase = HEAD_PHASE_IDLE;
    checker->blank_lines = 0;
    checker->in_trailer = false;
    return go(checker, at_start);
}

/* Bodies */

static bool in_body(struct head_checker *checker, unsigned char c)
{
    (void)c;
    return --checker->body_left > 0 || request_ends(checker);
}

static bool at_trailer_end_lf(struct head_checker *checker, unsigned char c)
{
    return c == '\n' ? request_ends(checker) : refuse_line_end(checker, c);
}

static bool at_chunk_size(struct head_checker *checker, unsigned char c)
{
    checker->chunk_bytes = 0;
    checker->chunk_digits = 0;
    if (!head_char_is(c, CHAR_HEX))
        return refuse(checker, "a chunk's size is not hexadecimal");
    checker->state = in_chunk_size;
    return in_chunk_size(checker, c);
}

static bool at_chunk_data_lf(struct head_checker *checker, unsigned char c)
{
    return c == '\n' ? go(checker, at_chunk_size) : refuse_line_end(checker, c);
}

static bool at_chunk_data_cr(struct head_checker *checker, unsigned char c)
{
    return c == '\r' ? go(checker, at_chunk_data_lf) : refuse(checker, "a chunk is longer than its size");
}

static bool in_chunk_data(struct head_checker *checker, unsigned char c)
{
    (void)c;
    return --checker->body_left > 0 || go(checker, at_chunk_data_cr);
}

static bool at_chunk_size_lf(struct head_checker *checker, unsigned char c)
{
    if (c != '\n')
        return refuse_line_end(checker, c);
    if (checker->chunk_bytes == 0) {
        checker->in_trailer = true;
        checker->trailer_bytes = 0;
        return go(checker, at_line);
    }
    checker->body_left = checker->chunk_bytes;
    return go(checker, in_chunk_data);
}

static bool chunk_size_ends(struct head_checker *checker)
{
    checker->dropping = false;
    checker->body_bytes += checker->chunk_bytes;
    if (checker->body_bytes > LIMIT_BODY_BYTES)
        return refuse_as(checker, STATUS_BODY_TOO_LARGE, NULL);
    return go(checker, at_chunk_size_lf);
}

/* chunk-ext = *( ";" chunk-ext-name [ "=" chunk-ext-val ] ) (RFC 9112, 7.1.1); the BWS it tolerates is not
 * tolerated here. */

static bool in_extension_value(struct head_checker *checker, unsigned char c);
static bool at_extension_name(struct head_checker *checker, unsigned char c);

static bool extension_counts(struct head_checker *checker)
{
    return ++checker->extension_bytes <= HEAD_EXTENSION_BYTES_MAX ||
           refuse(checker, "the chunk extensions are too long");
}

static bool extension_goes_on(struct head_checker *checker, unsigned char c)
{
    if (c == '\r')
        return chunk_size_ends(checker);
    if (c == ';')
        return go(checker, at_extension_name);
    return refuse(checker, "a chunk extension is malformed");
}

static bool after_quoted_value(struct head_checker *checker, unsigned char c)
{
    return extension_counts(checker) && extension_goes_on(checker, c);
}

static bool in_quoted_value(struct head_checker *checker, unsigned char c);

static bool in_quoted_pair(struct head_checker *checker, unsigned char c)
{
    if (!extension_counts(checker))
        return false;
    if (!head_char_is(c, CHAR_VALUE))
        return refuse(checker, "a chunk extension is malformed");
    return go(checker, in_quoted_value);
}

static bool in_quoted_value(struct head_checker *checker, unsigned char c)
{
    if (!extension_counts(checker))
        return false;
    if (c == '"')
        return go(checker, after_quoted_value);
    if (c == '\\')
        return go(checker, in_quoted_pair);
    return head_char_is(c, CHAR_VALUE) || refuse(checker, "a chunk extension is malformed");
}

static bool at_extension_value(struct head_checker *checker, unsigned char c)
{
    if (!extension_counts(checker))
        return false;
    if (c == '"')
        return go(checker, in_quoted_value);
    if (!head_char_is(c, CHAR_TOKEN))
        return refuse(checker, "a chunk extension is malformed");
    return go(checker, in_extension_value);
}

static bool in_extension_value(struct head_checker *checker, unsigned char c)
{
    return extension_counts(checker) && (head_char_is(c, CHAR_TOKEN) || extension_goes_on(checker, c));
}

static bool in_extension_name(struct head_checker *checker, unsigned char c)
{
    if (!extension_counts(checker))
        return false;
    if (c == '=')
        return go(checker, at_extension_value);
    return head_char_is(c, CHAR_TOKEN) || extension_goes_on(checker, c);
}

static bool at_extension_name(struct head_checker *checker, unsigned char c)
{
    if (!extension_counts(checker))
        return false;
    if (!head_char_is(c, CHAR_TOKEN))
        return refuse(checker, "a chunk extension is malformed");
    return go(checker, in_extension_name);
}

static bool in_chunk_size(struct head_checker *checker, unsigned char c)
{
    if (c == '\r')
        return chunk_size_ends(checker);
    if (c == ';') {
        checker->dropping = true;
        return extension_counts(checker) && go(checker, at_extension_name);
    }
    if (!head_char_is(c, CHAR_HEX))
        return c == '\n' ? refuse_line_end(checker, c) : refuse(checker, "a chunk's size is not hexadecimal");
    if (++checker->chunk_digits > HEAD_CHUNK_DIGITS_MAX)
        return refuse(checker, "a chunk's size has too many digits");
    checker->chunk_bytes = checker->chunk_bytes << 4 | (uint64_t)head_char_hex(c);
    if (checker->chunk_bytes > LIMIT_BODY_BYTES)
        return refuse_as(checker, STATUS_BODY_TOO_LARGE, NULL);
    return true;
}

/* Fields, of the head and of the trailer */

static bool at_head_end_lf(struct head_checker *checker, unsigned char c)
{
    const struct head_facts *facts = &checker->facts;
    if (c != '\n')
        return refuse_line_end(checker, c);
    if (!head_facts_check(facts, &checker->refusal))
        return false;
    checker->heads++;
    checker->body_left = facts->content_length;
    checker->body_bytes = 0;
    checker->extension_bytes = 0;
    checker->phase = HEAD_PHASE_BODY;
    if (facts->seen[HEAD_FIELD_TRANSFER_ENCODING])
        return go(checker, at_chunk_size);
    return checker->body_left > 0 ? go(checker, in_body) : request_ends(checker);
}

static bool field_ends(struct head_checker *checker)
{
    size_t length = checker->word_length;
    if (!word_fits(checker))
        return refuse(checker, "a field that decides about the request is too long");
    while (length > 0 && (checker->word[length - 1] == ' ' || checker->word[length - 1] == '\t'))
        length--;
    return head_field_take(&checker->facts, checker->field, checker->word, length, &checker->refusal);
}

static bool at_field_lf(struct head_checker *checker, unsigned char c)
{
    if (c != '\n')
        return refuse_line_end(checker, c);
    return field_ends(checker) && go(checker, at_line);
}

/* RFC 9112 allows it, but a proxy that takes it for a part of the value would see another end of the body. */
static bool refuse_tab(struct head_checker *checker)
{
    return refuse(checker, "a field that says where the body ends has a tab");
}

static bool in_value(struct head_checker *checker, unsigned char c)
{
    if (c == '\r')
        return go(checker, at_field_lf);
    if (!head_char_is(c, CHAR_VALUE))
        return c == '\n' ? refuse_line_end(checker, c)
                         : refuse(checker, "a field value has a control character");
    if (c == '\t' && head_field_frames(checker->field))
        return refuse_tab(checker);
    if (head_field_has_rule(checker->field))
        word_add(checker, (char)c);
    return true;
}

/* White space before the value. To evhttp a tab is none. */
static bool at_value(struct head_checker *checker, unsigned char c)
{
    checker->dropping = checker->in_trailer || c == '\t';
    if (c == '\t' && head_field_frames(checker->field))
        return refuse_tab(checker);
    if (c == ' ' || c == '\t')
        return true;
    checker->state = in_value;
    return in_value(checker, c);
}

static bool in_name(struct head_checker *checker, unsigned char c)
{
    if (head_char_is(c, CHAR_TOKEN)) {
        word_add(checker, head_char_lower(c));
        return true;
    }
    if (c != ':')
        return refuse(checker, c == ' ' || c == '\t' ? "white space stands before the colon of a field"
                                                     : "a field name has a character that may not be in it");
    checker->field = checker->word_length <= HEAD_FIELD_NAME_MAX
                         ? head_field_find(checker->word, checker->word_length)
                         : HEAD_FIELD_OTHER;
    if (checker->in_trailer && checker->field != HEAD_FIELD_OTHER)
        return refuse(checker, "a trailer has a field that belongs in the head");
    word_begin(checker);
    return go(checker, at_value);
}

/* The first byte of a line behind the request line, or of one in a trailer. */
static bool at_line(struct head_checker *checker, unsigned char c)
{
    if (c == '\r') {
        checker->dropping = false;
        return go(checker, checker->in_trailer ? at_trailer_end_lf : at_head_end_lf);
    }
    if (c == ' ' || c == '\t')
        return refuse(checker, "a field line begins with white space");
    if (c == ':')
        return refuse(checker, "a field has no name");
    if (c == '\n')
        return refuse_line_end(checker, c);
    checker->dropping = checker->in_trailer;
    word_begin(checker);
    checker->state = in_name;
    return in_name(checker, c);
}

/* The request line */

static bool at_request_line_lf(struct head_checker *checker, unsigned char c)
{
    return c == '\n' ? go(checker, at_line) : refuse_line_end(checker, c);
}

/* HTTP-version = "HTTP/" DIGIT "." DIGIT */
static bool in_version(struct head_checker *checker, unsigned char c)
{
    static const char form[] = "HTTP/d.d";
    size_t at = checker->word_length;
    if (at < sizeof(form) - 1) {
        if (form[at] == 'd' ? !head_char_is(c, CHAR_DIGIT) : c != (unsigned char)form[at])
            return refuse(checker, "the request line does not end in an HTTP version");
        word_add(checker, (char)c);
        return true;
    }
    if (c != '\r')
        return c == '\n' ? refuse_line_end(checker, c)
                         : refuse(checker, "something follows the HTTP version");
    char major = checker->word[5], minor = checker->word[7];
    if (major != '1' || minor > '1')
        return refuse_as(checker, STATUS_VERSION_NOT_SUPPORTED, NULL);
    checker->facts.http_1_0 = minor == '0';
    return go(checker, at_request_line_lf);
}

static bool target_counts(struct head_checker *checker)
{
    return ++checker->target_bytes <= LIMIT_URI_BYTES || refuse_as(checker, STATUS_URI_TOO_LONG, NULL);
}

static bool target_ends(struct head_checker *checker)
{
    word_begin(checker);
    return go(checker, in_version);
}

static bool refuse_target(struct head_checker *checker, unsigned char c)
{
    if (c == '\r' || c == '\n')
        return refuse(checker, "the request line has no HTTP version");
    return refuse(checker, "the target has a character that must be percent-encoded");
}

static bool at_second_hex(struct head_checker *checker, unsigned char c)
{
    if (!target_counts(checker))
        return false;
    if (!head_char_is(c, CHAR_HEX))
        return refuse(checker, "% in the target needs two hexadecimal digits");
    if (checker->word[0] == '0' && c == '0')
        return refuse(checker, "the target has a NUL");
    return go(checker, in_target);
}

static bool at_first_hex(struct head_checker *checker, unsigned char c)
{
    if (!target_counts(checker))
        return false;
    if (!head_char_is(c, CHAR_HEX))
        return refuse(checker, "% in the target needs two hexadecimal digits");
    checker->word[0] = (char)c;
    return go(checker, at_second_hex);
}

static bool in_target(struct head_checker *checker, unsigned char c)
{
    if (c == ' ')
        return target_ends(checker);
    if (!target_counts(checker))
        return false;
    if (c == '%')
        return go(checker, at_first_hex);
    return head_char_is(c, CHAR_TARGET) || refuse_target(checker, c);
}

/* evhttp would take what follows "//" for a host. */
static bool after_slash(struct head_checker *checker, unsigned char c)
{
    checker->dropping = false;
    if (c == '/')
        return refuse(checker, "the target begins with //");
    checker->state = in_target;
    return in_target(checker, c);
}

static bool after_asterisk(struct head_checker *checker, unsigned char c)
{
    return c == ' ' ? target_ends(checker)
                    : refuse(checker, "the target is neither a path nor an http:// address");
}

/*
 * evhttp would take a request in absolute form for one to a proxy, and close behind it. So of
 * "http://host/path" only "/path" stays: the slash before the host, which may have no path behind it.
 */
static bool in_authority(struct head_checker *checker, unsigned char c)
{
    checker->dropping = true;
    if (c != '/' && c != '?' && c != ' ') {
        word_add(checker, (char)c);
        if (c == '\r' || c == '\n')
            return refuse_target(checker, c);
        return target_counts(checker);
    }
    if (!word_fits(checker) || !head_host_is_valid(checker->word, checker->word_length))
        return refuse(checker, "the target's host is not valid");
    if (c == '/')
        return target_counts(checker) && go(checker, after_slash);
    checker->dropping = false;
    checker->state = in_target;
    return in_target(checker, c);
}

static bool in_scheme(struct head_checker *checker, unsigned char c)
{
    static const char *const schemes[] = {"http://", "https://"};
    word_add(checker, head_char_lower(c));
    checker->dropping = true;
    if (!target_counts(checker))
        return false;
    bool may_become = false;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (strlen(schemes[i]) < checker->word_length ||
            memcmp(schemes[i], checker->word, checker->word_length) != 0)
            continue;
        may_become = true;
        if (strlen(schemes[i]) == checker->word_length) {
            checker->dropping = false;
            word_begin(checker);
            return go(checker, in_authority);
        }
    }
    return may_become || refuse(checker, "the target is neither a path nor an http:// address");
}

static bool at_target(struct head_checker *checker, unsigned char c)
{
    checker->target_bytes = 0;
    if (c == '/')
        return target_counts(checker) && go(checker, after_slash);
    if (c == '*' && checker->facts.may_be_asterisk)
        return target_counts(checker) && go(checker, after_asterisk);
    word_begin(checker);
    checker->state = in_scheme;
    return in_scheme(checker, c);
}

static bool in_method(struct head_checker *checker, unsigned char c)
{
    if (head_char_is(c, CHAR_TOKEN)) {
        word_add(checker, (char)c);
        return checker->word_length <= HEAD_METHOD_MAX || refuse_as(checker, STATUS_NOT_IMPLEMENTED, NULL);
    }
    if (c != ' ')
        return refuse(checker, "the request line does not begin with a method and a space");
    if (!head_method_find(checker->word, checker->word_length, &checker->facts))
        return refuse_as(checker, STATUS_NOT_IMPLEMENTED, NULL);
    return go(checker, at_target);
}

static bool at_blank_line_lf(struct head_checker *checker, unsigned char c)
{
    if (c != '\n')
        return refuse_line_end(checker, c);
    if (++checker->blank_lines > HEAD_BLANK_LINES_MAX)
        return refuse(checker, "too many empty lines before a request");
    return go(checker, at_start);
}

/* Between requests */
static bool at_start(struct head_checker *checker, unsigned char c)
{
    if (c == '\r') {
        checker->dropping = true;
        return go(checker, at_blank_line_lf);
    }
    checker->dropping = false;
    checker->phase = HEAD_PHASE_HEAD;
    checker->head_bytes = 1;
    checker->facts = (struct head_facts){0};
    if (!head_char_is(c, CHAR_TOKEN))
        return refuse(checker, "the request line does not begin with a method and a space");
    word_begin(checker);
    checker->state = in_method;
    return in_method(checker, c);
}

/* How many of the next bytes the state would only step over: those need no call each. */
static size_t stretch(const struct head_checker *checker, const char *bytes, size_t length)
{
    if (checker->state == in_body || checker->state == in_chunk_data) /* the last byte changes the state */
        return length < checker->body_left ? length : (size_t)checker->body_left - 1;
    if (checker->state != in_value || checker->in_trailer || head_field_has_rule(checker->field))
        return 0;
    size_t most = LIMIT_HEAD_BYTES - checker->head_bytes;
    if (most > length)
        most = length;
    size_t count = 0;
    while (count < most && head_char_is((unsigned char)bytes[count], CHAR_VALUE))
        count++;
    return count;
}

static bool step(struct head_checker *checker, unsigned char c)
{
    if (checker->phase == HEAD_PHASE_HEAD && ++checker->head_bytes > LIMIT_HEAD_BYTES)
        return refuse_as(checker, STATUS_HEADERS_TOO_LARGE, NULL);
    if (checker->in_trailer && ++checker->trailer_bytes > HEAD_TRAILER_BYTES_MAX)
        return refuse_as(checker, STATUS_HEADERS_TOO_LARGE, "the trailer is too long");
    return checker->state(checker, c);
}

/* `out`: where the bytes that are to stay go, may be `bytes`; NULL: nowhere. *kept: how many those are. */
static enum head_verdict run(struct head_checker *checker, const char *bytes, size_t length, char *out,
                             size_t *kept)
{
    size_t stay = 0;
    ensure(checker->refusal.status == STATUS_OK);
    for (size_t at = 0; at < length;) {
        size_t count = stretch(checker, bytes + at, length - at);
        if (count > 0) {
            if (checker->phase == HEAD_PHASE_HEAD)
                checker->head_bytes += count;
            else
                checker->body_left -= count;
        } else {
            count = 1;
            if (!step(checker, (unsigned char)bytes[at])) {
                *kept = stay;
                return HEAD_REFUSED;
            }
        }
        if (!checker->dropping) {
            if (out != NULL && stay != at)
                memmove(out + stay, bytes + at, count);
            stay += count;
        }
        at += count;
    }
    *kept = stay;
    return HEAD_MORE;
}

enum head_verdict head_checker_feed(struct head_checker *checker, const char *bytes, size_t length)
{
    size_t kept;
    return run(checker, bytes, length, NULL, &kept);
}

enum head_verdict head_checker_filter(struct head_checker *checker, char *bytes, size_t *length)
{
    return run(checker, bytes, *length, bytes, length);
}

enum status head_checker_status(const struct head_checker *checker)
{
    return checker->refusal.status;
}

const char *head_checker_detail(const struct head_checker *checker)
{
    const char *detail = checker->refusal.detail;
    return detail != NULL ? detail : status_row((uint16_t)checker->refusal.status)->detail;
}

enum head_phase head_checker_phase(const struct head_checker *checker)
{
    return checker->phase;
}

uint64_t head_checker_heads(const struct head_checker *checker)
{
    return checker->heads;
}

uint64_t head_checker_requests(const struct head_checker *checker)
{
    return checker->requests;
}
