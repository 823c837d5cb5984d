#include "proto/status.h"

#include <stddef.h>

static const struct status_row rows[] = {
#define X(number, NAME, http, code, field, detail) {number, http, code, field, detail},
    STATUS_TABLE(X)
#undef X
};

const struct status_row *status_row(uint16_t number)
{
    const struct status_row *unknown = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].number == number)
            return &rows[i];
        if (rows[i].number == STATUS_BAD_FRAME)
            unknown = &rows[i];
    }
    return unknown;
}
