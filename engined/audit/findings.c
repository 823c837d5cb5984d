#include "engined/audit/findings.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES 1024

void findings_rule(struct findings *findings, const char *domain, const char *rule)
{
    findings->domain = domain;
    findings->rule = rule;
    findings->of_rule = 0;
}

void findings_wrong(struct findings *findings, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list values;
    findings->wrong++;
    if (++findings->of_rule > FINDINGS_SHOWN)
        return;
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    findings->tell(findings->arg, FINDING_WRONG, findings->domain, findings->rule, text);
}

void findings_note(struct findings *findings, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    findings->tell(findings->arg, FINDING_NOTE, findings->domain, findings->rule, text);
}

void findings_rule_end(struct findings *findings)
{
    if (findings->of_rule > FINDINGS_SHOWN)
        findings_note(findings, "and %llu more of this kind",
                      (unsigned long long)(findings->of_rule - FINDINGS_SHOWN));
}
