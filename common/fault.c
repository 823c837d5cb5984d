#include "common/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "common/fatal.h"
#include "common/log.h"

#define DIRECTORY_VARIABLE "FORUMD_FAULT_DIR"
#define PATH_BYTES         4096
#define RULE_BYTES         256

enum action { ACTION_NONE, ACTION_KILL, ACTION_ABORT, ACTION_EIO, ACTION_ENOSPC, ACTION_DELAY };

struct rule {
    char text[RULE_BYTES]; /* of the file; "": not armed */
    char match[RULE_BYTES];
    uint64_t left; /* passages, up to the one at which it acts */
    unsigned ms;
    enum action action;
    bool always;
};

/* Shared by the process's threads: fault points are in the checkpoint helper too. */
static struct {
    const char *directory, *role;
    int watch_fd;
    atomic_bool armed; /* any rule: so that passing costs nothing else */
    pthread_mutex_t mutex;
    struct rule rules[FAULT_POINT_COUNT];
} faults = {.watch_fd = -1, .mutex = PTHREAD_MUTEX_INITIALIZER};

static const char *const point_names[FAULT_POINT_COUNT] = {
#define X(name, what) #name,
    FAULT_POINTS(X)
#undef X
};

static const struct {
    const char *word;
    enum action action;
} actions[] = {{"kill", ACTION_KILL},
               {"abort", ACTION_ABORT},
               {"eio", ACTION_EIO},
               {"enospc", ACTION_ENOSPC},
               {"delay", ACTION_DELAY}};

static void rule_path(char path[PATH_BYTES], enum fault_point point)
{
    int length = snprintf(path, PATH_BYTES, "%s/%s.%s", faults.directory, faults.role, point_names[point]);
    if (length >= PATH_BYTES)
        fatal_exit(EXIT_USAGE, DIRECTORY_VARIABLE " is too long");
}

/* What follows `name` in the word, or NULL. */
static const char *value_of(const char *word, const char *name)
{
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 ? word + length : NULL;
}

static bool parse_word(struct rule *rule, const char *word)
{
    const char *value;
    if (strcmp(word, "always") == 0)
        return rule->always = true;
    if ((value = value_of(word, "after=")) != NULL)
        return (rule->left = strtoull(value, NULL, 10)) > 0;
    if ((value = value_of(word, "ms=")) != NULL)
        return (rule->ms = (unsigned)strtoul(value, NULL, 10)) > 0;
    if ((value = value_of(word, "match=")) != NULL)
        return snprintf(rule->match, sizeof(rule->match), "%s", value) > 0;
    if ((value = value_of(word, "action=")) != NULL)
        for (size_t i = 0; i < ARRAY_LEN(actions); i++)
            if (strcmp(value, actions[i].word) == 0)
                return (rule->action = actions[i].action);
    return false;
}

static void rule_parse(struct rule *rule, const char *text)
{
    char words[RULE_BYTES], *rest = NULL;
    *rule = (struct rule){.left = 1};
    snprintf(rule->text, sizeof(rule->text), "%s", text);
    snprintf(words, sizeof(words), "%s", text);
    for (char *word = strtok_r(words, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest))
        if (!parse_word(rule, word))
            fatal_exit(EXIT_USAGE, "a fault cannot be understood: %s in: %s", word, text);
    if (rule->action == ACTION_NONE)
        fatal_exit(EXIT_USAGE, "a fault has no action: %s", text);
}

/* True: there is such a file, not empty. */
static bool read_rule(enum fault_point point, char text[RULE_BYTES])
{
    char path[PATH_BYTES];
    rule_path(path, point);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, RULE_BYTES - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static void read_rules(void)
{
    bool any = false;
    pthread_mutex_lock(&faults.mutex);
    for (int point = 0; point < FAULT_POINT_COUNT; point++) {
        struct rule *rule = &faults.rules[point];
        char text[RULE_BYTES];
        bool there = read_rule((enum fault_point)point, text);
        if (!there)
            rule->text[0] = '\0';
        else if (strcmp(rule->text, text) != 0)
            rule_parse(rule, text);
        any |= there;
    }
    atomic_store(&faults.armed, any);
    pthread_mutex_unlock(&faults.mutex);
}

void fault_open(const char *role)
{
    faults.directory = getenv(DIRECTORY_VARIABLE);
    faults.role = role;
    if (faults.directory == NULL)
        return;
    faults.watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (faults.watch_fd < 0 || inotify_add_watch(faults.watch_fd, faults.directory,
                                                 IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) < 0)
        fatal_exit(EXIT_OS, "cannot watch " DIRECTORY_VARIABLE " %s: %s", faults.directory, strerror(errno));
    read_rules();
}

void fault_look(void)
{
    char events[4096];
    bool changed = false;
    while (faults.watch_fd >= 0 && read(faults.watch_fd, events, sizeof(events)) > 0)
        changed = true;
    if (changed)
        read_rules();
}

/* True: this passage is the one. What is to be done is copied out: it is done without the lock. */
static bool take(enum fault_point point, const void *bytes, size_t length, struct rule *out)
{
    struct rule *rule = &faults.rules[point];
    char path[PATH_BYTES];
    if (rule->text[0] == '\0')
        return false;
    size_t match_length = strlen(rule->match);
    if (match_length > 0 && (bytes == NULL || memmem(bytes, length, rule->match, match_length) == NULL))
        return false;
    if (rule->left > 1) {
        rule->left--;
        return false;
    }
    *out = *rule;
    if (rule->always)
        return true;
    rule->text[0] = '\0';
    rule_path(path, point);
    return unlink(path) == 0; /* else another process of this role was first */
}

static void sleep_ms(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
}

enum fault_error fault_pass(enum fault_point point, const void *bytes, size_t length)
{
    struct rule rule;
    if (!atomic_load_explicit(&faults.armed, memory_order_relaxed))
        return FAULT_NO_ERROR;
    pthread_mutex_lock(&faults.mutex);
    bool fires = take(point, bytes, length, &rule);
    pthread_mutex_unlock(&faults.mutex);
    if (!fires)
        return FAULT_NO_ERROR;
    log_notice("fault point=%s %s", point_names[point], rule.text);
    switch (rule.action) {
    case ACTION_KILL:
        log_flush();
        (void)kill(getpid(), SIGKILL);
        break;
    case ACTION_ABORT:
        log_flush();
        abort();
    case ACTION_EIO:
        return FAULT_EIO;
    case ACTION_ENOSPC:
        return FAULT_ENOSPC;
    case ACTION_DELAY:
        sleep_ms(rule.ms);
        break;
    case ACTION_NONE:
        break;
    }
    return FAULT_NO_ERROR;
}

int fault_result(enum fault_error error, int fine, int eio, int enospc)
{
    switch (error) {
    case FAULT_EIO:
        return eio;
    case FAULT_ENOSPC:
        return enospc;
    case FAULT_NO_ERROR:
        break;
    }
    return fine;
}
