#include "tests/lib/faults.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/forum.h"
#include "tests/lib/keep.h"
#include "tests/lib/require.h"

#define FAULTS_VARIABLE "FORUMD_FAULT_DIR"

void faults_open(void)
{
    char *directory = keep_format("%s/faults.XXXXXX", forum_run_directory());
    REQUIRE(mkdtemp(directory), "%s: %s", directory, strerror(errno));
    setenv(FAULTS_VARIABLE, directory, 1);
}

static const char *fault_path(const char *role, const char *point)
{
    const char *directory = getenv(FAULTS_VARIABLE);
    REQUIRE(directory, "faults_open was not called");
    return keep_format("%s/%s.%s", directory, role, point);
}

void faults_arm(const char *role, const char *point, const char *rule_format, ...)
{
    const char *path = fault_path(role, point), *new_path = keep_format("%s.new", path);
    va_list args;
    FILE *file = fopen(new_path, "w");
    REQUIRE(file, "%s: %s", new_path, strerror(errno));
    va_start(args, rule_format);
    vfprintf(file, rule_format, args);
    va_end(args);
    REQUIRE(fclose(file) == 0 && rename(new_path, path) == 0, "%s: %s", path, strerror(errno));
}

void faults_disarm(const char *role, const char *point)
{
    const char *path = fault_path(role, point);
    REQUIRE(unlink(path) == 0, "%s: %s", path, strerror(errno));
}

bool faults_armed(const char *role, const char *point)
{
    return access(fault_path(role, point), F_OK) == 0;
}
