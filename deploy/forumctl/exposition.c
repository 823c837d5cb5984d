#include "deploy/forumctl/exposition.h"

#include <stdlib.h>
#include <string.h>

/* `line` ends with a newline or the text's end. */
static bool sample_read(const char *line, size_t length, struct sample *sample)
{
    size_t name_length = strcspn(line, "{ \n");
    const char *rest = line + name_length;
    if (length == 0 || line[0] == '#' || name_length == 0 || name_length >= length)
        return false;
    *sample = (struct sample){.name = line, .name_length = name_length, .labels = rest};
    if (*rest == '{') {
        const char *end = memchr(rest, '}', length - name_length);
        if (end == NULL)
            return false;
        sample->labels = rest + 1;
        sample->labels_length = (size_t)(end - rest - 1);
        rest = end + 1;
    }
    char *end;
    sample->value = strtod(rest, &end);
    return *rest == ' ' && end > rest && end <= line + length;
}

bool sample_next(const char **at, struct sample *sample)
{
    while (**at != '\0') {
        const char *line = *at;
        size_t length = strcspn(line, "\n");
        *at = line + length + (line[length] == '\n');
        if (sample_read(line, length, sample))
            return true;
    }
    return false;
}

bool sample_is(const struct sample *sample, const char *name)
{
    return strlen(name) == sample->name_length && memcmp(name, sample->name, sample->name_length) == 0;
}

bool sample_label(const struct sample *sample, const char *label, char *out, size_t size)
{
    size_t label_length = strlen(label);
    const char *at = sample->labels, *end = sample->labels + sample->labels_length;
    while (at < end) {
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (equals == NULL || equals + 1 >= end || equals[1] != '"')
            return false;
        const char *value = equals + 2, *quote = value;
        while (quote < end && *quote != '"')
            quote += *quote == '\\' ? 2 : 1;
        if ((size_t)(equals - at) == label_length && memcmp(at, label, label_length) == 0) {
            size_t length = quote < end ? (size_t)(quote - value) : (size_t)(end - value);
            length = length < size - 1 ? length : size - 1;
            memcpy(out, value, length);
            out[length] = '\0';
            return true;
        }
        at = quote + 1;
        at += at < end && *at == ',';
    }
    return false;
}
