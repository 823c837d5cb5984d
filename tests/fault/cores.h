/* One CPU for the server and another for its clients, so that neither's work is in the other's times. */
#pragma once

struct cores {
    int server, clients;
};

/* Of those that this test may use; skips the test if it is one. */
struct cores cores_choose(void);
/* This process, and what it starts from now on. */
void cores_stay_on(int cpu);
