#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/attributes.h"
#include "common/fatal.h"
#include "common/log.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Only who has taken the process over calls these: it ends. */
static const int ending[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(personality),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(vhangup),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
};

/* Libraries might try these: they get an error. */
static const int failing[] = {
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(memfd_create),
    SCMP_SYS(memfd_secret),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(syslog),
    SCMP_SYS(chown),
    SCMP_SYS(lchown),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(symlink),
    SCMP_SYS(symlinkat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(fsetxattr),
    SCMP_SYS(listen),
};

/* A worker's files are open, or opened to be read. */
static const int failing_in_workers[] = {
#ifndef FORUMD_FAULTS /* who acts on a fault point removes the file that armed it */
    SCMP_SYS(unlink),  SCMP_SYS(unlinkat),
#endif
    SCMP_SYS(bind),    SCMP_SYS(rename),    SCMP_SYS(renameat),  SCMP_SYS(renameat2), SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat), SCMP_SYS(rmdir),     SCMP_SYS(link),      SCMP_SYS(linkat),    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),  SCMP_SYS(fchmodat),  SCMP_SYS(fchown),    SCMP_SYS(fchownat),  SCMP_SYS(truncate),
    SCMP_SYS(creat),   SCMP_SYS(fallocate), SCMP_SYS(utimensat),
};

/* Batches and clients go over INET and INET6, notices over UNIX; libc asks NETLINK about addresses. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

static bool deny(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seccomp_rule_add(filter, action, calls[i], 0) != 0)
            return false;
    return true;
}

/* Threads may be made, processes not. clone3 keeps its flags where no filter can see them: libc falls back.
 */
static bool deny_processes(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0;
}

static bool deny_other_families(scmp_filter_ctx filter)
{
    const uint32_t unsupported = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    for (int family = 0; family < AF_MAX; family++) {
        bool wanted = false;
        for (size_t i = 0; i < ARRAY_LEN(families); i++)
            wanted |= families[i] == family;
        if (!wanted && seccomp_rule_add(filter, unsupported, SCMP_SYS(socket), 1,
                                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0)) != 0)
            return false;
    }
    return seccomp_rule_add(filter, unsupported, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GE, AF_MAX, 0)) == 0;
}

/* Memory that can be written and run at once. */
static bool deny_writable_code(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(pkey_mprotect)};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC)) !=
            0)
            return false;
    return true;
}

/* libc opens by openat; a filter cannot look into openat2. */
static bool deny_opening_to_write(scmp_filter_ctx filter)
{
    static const scmp_datum_t modes[] = {O_WRONLY, O_RDWR};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, modes[i])) != 0)
            return false;
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(open), 0) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) == 0;
}

static bool fill(scmp_filter_ctx filter, enum sandbox_role role)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    /* A tree: as a list, the filter would be gone through for each call. */
    (void)!seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
        !deny(filter, SCMP_ACT_KILL_PROCESS, ending, ARRAY_LEN(ending)) ||
        !deny(filter, refuse, failing, ARRAY_LEN(failing)) || !deny_processes(filter) ||
        !deny_other_families(filter) || !deny_writable_code(filter))
        return false;
    return role != SANDBOX_WORKER ||
           (deny(filter, refuse, failing_in_workers, ARRAY_LEN(failing_in_workers)) &&
            deny_opening_to_write(filter));
}

static void filter_calls(enum sandbox_role role)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int error = filter == NULL || !fill(filter, role) ? -EINVAL : seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    if (error != 0)
        log_warn("no system call filter: %s", strerror(-error));
}

/* No limit on processes: the kernel counts the threads of all that the user runs. The filter denies them
 * instead. */
static void hide_memory(void)
{
    static const struct rlimit none = {0};
    const char *wanted = getenv("FORUMD_CORE_DUMPS");
    if (wanted != NULL && strcmp(wanted, "1") == 0)
        return;
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        fatal_exit(EXIT_OS, "cannot forbid core dumps: %s", strerror(errno));
}

void sandbox_enter(enum sandbox_role role)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fatal_exit(EXIT_OS, "cannot give up new privileges: %s", strerror(errno));
    if (role == SANDBOX_SUPERVISOR || SANITIZED)
        return;
    hide_memory();
    filter_calls(role);
}
