#include "tests/lib/require.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

void require_failed(const char *file, int line, const char *message)
{
    if (criterion_current_test)
        cr_assert_fail("%s:%d: %s", file, line, message);
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
    exit(EXIT_FAILURE);
}
