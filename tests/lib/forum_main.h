/*
 * main of a program of system tests: int main(int argc, char **argv) { return forum_main(argc, argv, &plan);
 * } Criterion runs each test in a process of its own. With `shared`, one forum serves them all
 * (forum_attach), and must come through unharmed: else the program fails even if every test passed. Shows the
 * end of the log of a test that failed.
 */
#pragma once

#include "tests/lib/forum.h"

struct forum_plan {
    bool shared;
    struct forum_spec spec;               /* of the shared one */
    void (*prepare)(struct forum *forum); /* once, before the first test; NULL: nothing */
    double timeout_s;                     /* of one test; 0: FORUM_TEST_TIMEOUT_S */
    bool one_by_one;                      /* what is measured is not to be disturbed by its neighbour */
};
#define FORUM_TEST_TIMEOUT_S 120

int forum_main(int argc, char **argv, const struct forum_plan *plan);
