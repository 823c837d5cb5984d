/* How much memory this process has. */
#pragma once

#include <stdint.h>

/* Resident bytes, as /proc/self/statm says; 0: it does not. */
uint64_t memory_resident_bytes(void);
