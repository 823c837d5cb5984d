/* What is installed has no fault points: nobody can make it die by leaving a file somewhere. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault_points.h"
#include "tests/lib/forum_main.h"
#include "tests/lib/keep.h"

static const char *const programs[] = {"forumd", "forumd-engined", "forumd-gateway"};

/* Words that no program has without fault points. Points named like other things (write, store_open) tell
 * nothing. */
static const char *const signs[] = {"FORUMD_FAULT_DIR", "fault_pass",
#define X(name, what) #name,
                                    FAULT_POINTS(X)
#undef X
};

static bool is_telling(const char *sign)
{
    return strstr(sign, "fault") || strstr(sign, "FAULT") || strstr(sign, "_before") ||
           strstr(sign, "_after");
}

static bool holds(const char *program, const char *sign)
{
    size_t length;
    const char *bytes = keep_file(program, &length);
    cr_assert(bytes, "%s cannot be read", program);
    return memmem(bytes, length, sign, strlen(sign) + 1) != NULL;
}

Test(fault_points, are_in_the_build_that_tests_them)
{
    const char *own = keep_format("%s/forumd-engined", FORUMD_BIN_DIR);
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        cr_expect(holds(own, signs[i]), "%s: the search does not find what is there", signs[i]);
}

Test(fault_points, are_not_in_what_is_installed)
{
    if (!getenv("FORUMD_BIN_DIR"))
        cr_skip_test("only where the release build's programs are tested");
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        const char *program = forum_executable(programs[i]);
        for (size_t k = 0; k < ARRAY_LEN(signs); k++)
            cr_expect(!is_telling(signs[k]) || !holds(program, signs[k]), "%s holds %s", program, signs[k]);
    }
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.timeout_s = 60});
}
