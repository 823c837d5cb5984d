/* What an audit finds, on its way to whoever asked for it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/attributes.h"

enum finding_kind {
    FINDING_WRONG,
    FINDING_NOTE, /* explains what was not compared, and is no damage */
};

/* `rule` is what should hold, `what` where it does not. */
typedef void (*finding_fn)(void *arg, enum finding_kind kind, const char *domain, const char *rule,
                           const char *what);

/* The same rule broken a million times is told FINDINGS_SHOWN times, and then how often. */
#define FINDINGS_SHOWN 10

struct findings {
    finding_fn tell;
    void *arg;
    uint64_t wrong; /* all */
    const char *domain, *rule;
    uint64_t of_rule;
};

void findings_rule(struct findings *findings, const char *domain, const char *rule);
PRINTF_LIKE(2, 3) void findings_wrong(struct findings *findings, const char *format, ...);
PRINTF_LIKE(2, 3) void findings_note(struct findings *findings, const char *format, ...);
/* Behind each rule. */
void findings_rule_end(struct findings *findings);
