#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/attributes.h"
#include "common/sandbox.h"

/* Under sanitizers the sandbox keeps their calls: nothing to see. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SKIP_IF_SANITIZED cr_skip_test("the sandbox is off in builds with sanitizers")
#else
#define SKIP_IF_SANITIZED (void)0
#endif

#define FINE 0

/* Runs `tried` sandboxed in a child. Its result, or 1000 + the signal that ended it. */
static int outcome(enum sandbox_role role, int (*tried)(void))
{
    int status;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        sandbox_enter(role);
        _exit(tried());
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int result_of(long result)
{
    return result >= 0 ? FINE : errno;
}

static int run_a_program(void)
{
    return result_of(execl("/bin/true", "true", NULL));
}

static int trace(void)
{
    return result_of(syscall(SYS_ptrace, 0, 0, 0, 0));
}

static int change_user(void)
{
    return result_of(syscall(SYS_setuid, getuid()));
}

static int load_bpf(void)
{
    return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int unshare_all(void)
{
    return result_of(syscall(SYS_unshare, 0));
}

static int open_packets(void)
{
    return result_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int open_far_family(void)
{
    return result_of(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int open_inet(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int open_unix(void)
{
    return result_of(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int make_process(void)
{
    return result_of(fork());
}

static void *thread_main(void *arg)
{
    return arg;
}

static int make_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, thread_main, NULL);
    return error != 0 ? error : pthread_join(thread, NULL);
}

static int map_writable_code(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? FINE : errno;
}

static int map_memory(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? FINE : errno;
}

static int write_a_file(void)
{
    char path[] = "/tmp/forumd-sandbox-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return errno;
    close(fd);
    return result_of(unlink(path));
}

static int rename_a_file(void)
{
    int result = result_of(rename("/nowhere/at/all", "/nowhere/else"));
    return result == ENOENT ? FINE : result;
}

static int read_a_file(void)
{
    return result_of(open("/proc/self/status", O_RDONLY));
}

static int dump_core(void)
{
    struct rlimit limit;
    return prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? EPERM
                                                                                                     : FINE;
}

static int gain_privileges(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : FINE;
}

#define ENDS (1000 + SIGSYS)

static const struct {
    const char *what;
    int (*tried)(void);
    int engine, worker;
} rows[] = {
    {"run a program", run_a_program, ENDS, ENDS},
    {"trace", trace, ENDS, ENDS},
    {"change the user", change_user, ENDS, ENDS},
    {"load bpf", load_bpf, ENDS, ENDS},
    {"unshare", unshare_all, ENDS, ENDS},
    {"open packets", open_packets, EAFNOSUPPORT, EAFNOSUPPORT},
    {"open vsock", open_far_family, EAFNOSUPPORT, EAFNOSUPPORT},
    {"open inet", open_inet, FINE, FINE},
    {"open unix", open_unix, FINE, FINE},
    {"make a process", make_process, EPERM, EPERM},
    {"make a thread", make_thread, FINE, FINE},
    {"map writable code", map_writable_code, EPERM, EPERM},
    {"map memory", map_memory, FINE, FINE},
    {"write a file", write_a_file, FINE, EACCES},
    {"rename a file", rename_a_file, FINE, EPERM},
    {"read a file", read_a_file, FINE, FINE},
    {"dump core", dump_core, EPERM, EPERM},
    {"gain privileges", gain_privileges, EPERM, EPERM},
};

Test(sandbox, denies_each_role_what_it_never_needs)
{
    SKIP_IF_SANITIZED;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int engine = outcome(SANDBOX_ENGINE, rows[i].tried), worker = outcome(SANDBOX_WORKER, rows[i].tried);
        cr_expect_eq(engine, rows[i].engine, "an engine tries to %s: %d", rows[i].what, engine);
        cr_expect_eq(worker, rows[i].worker, "a worker tries to %s: %d", rows[i].what, worker);
    }
}

Test(sandbox, lets_a_supervisor_run_programs_without_new_privileges)
{
    cr_expect_eq(outcome(SANDBOX_SUPERVISOR, run_a_program), FINE);
    cr_expect_eq(outcome(SANDBOX_SUPERVISOR, gain_privileges), EPERM);
}

Test(sandbox, leaves_core_dumps_to_who_asks_for_them)
{
    SKIP_IF_SANITIZED;
    setenv("FORUMD_CORE_DUMPS", "1", 1);
    cr_expect_eq(outcome(SANDBOX_ENGINE, dump_core), FINE);
    cr_expect_eq(outcome(SANDBOX_ENGINE, run_a_program), ENDS);
}

static int ends[2];

static void *try_when_told(void *arg)
{
    char told;
    (void)arg;
    if (read(ends[0], &told, 1) == 1)
        execl("/bin/true", "true", NULL);
    return NULL;
}

static int tell_thread(void)
{
    (void)!write(ends[1], "x", 1);
    pause();
    return FINE;
}

Test(sandbox, holds_for_threads_that_ran_before)
{
    SKIP_IF_SANITIZED;
    int status;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        pthread_t thread;
        if (pipe(ends) != 0 || pthread_create(&thread, NULL, try_when_told, NULL) != 0)
            _exit(EXIT_FAILURE);
        sandbox_enter(SANDBOX_ENGINE);
        _exit(tell_thread());
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status %x", status);
}
