#include "common/transport.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/fatal.h"

static const char *const wedged_before_1_6[] = {"ipc://", "unix://", "abstract://", "tls+tcp"};

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF};

static bool version_before_1_6(const char *version)
{
    int major = 0, minor = 0;

    if (sscanf(version, "%d.%d", &major, &minor) != 2)
        return true;
    return major < 1 || (major == 1 && minor < 6);
}

bool transport_url_safe(const char *url, const char *nng_version)
{
    if (!version_before_1_6(nng_version))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(wedged_before_1_6); i++) {
        if (strncmp(url, wedged_before_1_6[i], strlen(wedged_before_1_6[i])) == 0)
            return false;
    }
    return true;
}

void transport_signals_block(sigset_t *saved)
{
    sigset_t blocked;

    sigfillset(&blocked);
    for (size_t i = 0; i < ARRAY_LEN(fault_signals); i++)
        sigdelset(&blocked, fault_signals[i]);
    ensure(pthread_sigmask(SIG_SETMASK, &blocked, saved) == 0);
}

void transport_signals_restore(const sigset_t *saved)
{
    ensure(pthread_sigmask(SIG_SETMASK, saved, NULL) == 0);
}
