/* forumctl status and forumctl top: how every process is, once and live. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/options.h"
#include "deploy/forumctl/command.h"
#include "deploy/forumctl/survey.h"

#define TOP_INTERVAL_MS 1000

static void pause_ms(uint64_t ms)
{
    struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&wait, &wait) != 0 && errno == EINTR) {
    }
}

int ctl_status(int argc, char **argv)
{
    struct engines_options options = ENGINES_OPTIONS_DEFAULT;
    const char *listen = "127.0.0.1:8080";
    unsigned interval_ms = 1000;
    bool json = false;
    const struct option_row rows[] = {
        ENGINES_OPTION_ROWS(&options),
        {"listen", OPTION_STRING, &listen, 0, 0, NULL, "ADDRESS:PORT", "where the gateway listens"},
        {"interval", OPTION_UINT, &interval_ms, 0, 60000, NULL, "MS",
         "rates and p99 are of that time; 0: none are shown"},
        {"json", OPTION_FLAG, &json, 0, 0, NULL, NULL, "for programs"},
    };
    if (options_parse("forumctl status [flags]\n\n"
                      "Shows every process. The exit code is 0 if all are up, else 1.",
                      rows, ARRAY_LEN(rows), argc, argv) > 0)
        fatal_exit(EXIT_USAGE, "status: \"%s\" is one word too many", argv[argc - 1]);
    struct survey *surveys = xcalloc(2, sizeof(surveys[0])), *last = &surveys[0];
    struct engines *engines = engines_open(&options);
    survey_take(last, engines, listen);
    if (interval_ms > 0) {
        pause_ms(interval_ms);
        last = &surveys[1];
        survey_take(last, engines, listen);
        survey_compare(last, &surveys[0]);
    }
    if (json)
        survey_print_json(last, stdout);
    else
        survey_print_table(last, stdout);
    int code = last->fine ? EXIT_SUCCESS : EXIT_FAILURE;
    engines_close(engines);
    free(surveys);
    return code;
}

/* --- top --- */

/* The terminal as it was, and as it is while top runs: keys come at once and are not shown. */
struct screen {
    bool live; /* both ends are a terminal */
    struct termios before;
    int signal_fd;
};

static void screen_open(struct screen *screen)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        fatal_exit(EXIT_OS, "cannot block signals: %s", strerror(errno));
    screen->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    screen->live =
        isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->before) == 0;
    if (!screen->live)
        return;
    struct termios raw = screen->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    printf("\033[?1049h\033[?25l"); /* the other screen, no cursor */
}

static void screen_close(const struct screen *screen)
{
    if (screen->live) {
        printf("\033[?25h\033[?1049l");
        fflush(stdout);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
    }
    close(screen->signal_fd);
}

static void screen_draw(const struct screen *screen, const struct survey *survey)
{
    if (screen->live)
        printf("\033[H\033[2J");
    survey_print_table(survey, stdout);
    if (screen->live)
        printf("\n%s. q ends.\n", survey->fine ? "All is up" : "Something is down");
    else
        printf("\n");
    fflush(stdout);
}

static bool key_ends(void)
{
    char key;
    return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

/* True: it is to end. */
static bool screen_wait(const struct screen *screen, uint64_t until_ms)
{
    uint64_t now_ms;
    while ((now_ms = clock_monotonic_ms()) < until_ms) {
        struct pollfd fds[] = {{.fd = screen->signal_fd, .events = POLLIN},
                               {.fd = screen->live ? STDIN_FILENO : -1, .events = POLLIN}};
        if (poll(fds, ARRAY_LEN(fds), (int)(until_ms - now_ms)) < 0 && errno != EINTR)
            fatal_exit(EXIT_OS, "poll: %s", strerror(errno));
        if (fds[0].revents != 0 || (fds[1].revents != 0 && key_ends()))
            return true;
    }
    return false;
}

int ctl_top(int argc, char **argv)
{
    struct engines_options options = ENGINES_OPTIONS_DEFAULT;
    const char *listen = "127.0.0.1:8080";
    unsigned interval_ms = TOP_INTERVAL_MS, rounds = 0;
    const struct option_row rows[] = {
        ENGINES_OPTION_ROWS(&options),
        {"listen", OPTION_STRING, &listen, 0, 0, NULL, "ADDRESS:PORT", "where the gateway listens"},
        {"interval", OPTION_UINT, &interval_ms, 100, 60000, NULL, "MS", "between two looks"},
        {"rounds", OPTION_UINT, &rounds, 0, 1000000, NULL, "N", "ends after so many; 0: never"},
    };
    if (options_parse("forumctl top [flags]\n\n"
                      "Shows every process, again and again; at a terminal in place, and q ends it.",
                      rows, ARRAY_LEN(rows), argc, argv) > 0)
        fatal_exit(EXIT_USAGE, "top: \"%s\" is one word too many", argv[argc - 1]);
    struct survey *surveys = xcalloc(2, sizeof(surveys[0]));
    struct engines *engines = engines_open(&options); /* before the terminal is changed: it may exit */
    struct screen screen;
    screen_open(&screen);
    bool fine = true;
    for (unsigned round = 0; rounds == 0 || round < rounds; round++) {
        struct survey *now = &surveys[round % 2], *before = &surveys[1 - round % 2];
        survey_take(now, engines, listen);
        survey_compare(now, before);
        screen_draw(&screen, now);
        fine = now->fine;
        if (round + 1 == rounds || screen_wait(&screen, now->taken_ms + interval_ms))
            break;
    }
    screen_close(&screen);
    engines_close(engines);
    free(surveys);
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
