/* What this process takes of the machine, by its own account. */
#pragma once

#include <stdint.h>

struct process_usage {
    uint64_t cpu_us; /* all threads, user and system, since it started */
    uint64_t resident_bytes;
};
/* A field is 0 where the system does not say. */
void process_usage(struct process_usage *usage);

/* Open descriptors. Looks at each: not for a process that may have thousands. 0: the system does not say. */
unsigned process_descriptors(void);
