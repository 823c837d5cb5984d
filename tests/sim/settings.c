#include "tests/sim/settings.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tests/sim/import.h"
#include "tests/sim/memory.h"
#include "tests/sim/multi.h"
#include "tests/sim/random.h"

enum {
    DEFAULT_CLIENTS = 32,
    DEFAULT_RETRIES = 3,
    DEFAULT_TIMEOUT_MS = 10000,
    DEFAULT_DURATION_S = 10,
    TAG_LENGTH = 6,
    RUN_LENGTH = 12,
    FIRST_MAX = 999990,
    RETRIES_MAX = 1000,
    SECONDS_MAX = 7 * 24 * 3600,
    RATE_MAX = 10000000,
    IMPORT_DEFAULT_SEED = 1,
};

#define RETRIES_UNSET UINT32_MAX

static const char usage[] =
    "usage: forumd-sim COMMAND [--flag value ...]\n"
    "  journey              one user's way through the forum, told line by line\n"
    "  multi                five users at once, loadtest_user_N and testsubN\n"
    "  load                 many users of popular and less popular subreddits\n"
    "  import [DIR]         Debian changelogs: DIR/*/changelog.Debian.gz (default " IMPORT_DEFAULT_DIRECTORY
    ")\n"
    "  verify               reads the server back and compares it with itself and the --record files\n"
    "  keygen FILE          makes a key to sign posts with; prints its public key\n"
    "  sign FILE            prints the body of a post signed with that key\n"
    "  verify-signature ID  verifies a post with its author's key\n"
    "for all:\n"
    "  --url URL            the server (http://127.0.0.1:8080)\n"
    "  --clients N          requests at once (32)\n"
    "  --seed N             repeats a run's choices (random, printed; import: 1)\n"
    "  --verify             afterwards, read the server back and compare it with what it acknowledged\n"
    "  --record FILE        append what was acknowledged; for verify: read it (may be given several times)\n"
    "  --trace FILE         a line a request: sent at, answered at (us), operation, status, trouble, tries,\n"
    "                       replayed, stale\n"
    "  --retries N          with the same key, after 503 or no answer (3; load: 0)\n"
    "  --timeout MS         of one try (10000)\n"
    "  --tag TEXT           1-8 of [a-z0-9], in the names that journey and load make (random)\n"
    "  --quiet              no lines for the steps, no progress\n"
    "multi:\n"
    "  --first N            number of the first of the five users (1)\n"
    "load:\n"
    "  --users N (100)  --subreddits N (20)  --zipf S (1.0)\n"
    "  --offline FRACTION (0.1)  --newcomers FRACTION (0): of operations, registrations of others\n"
    "  --duration S (10), --operations N or --endless: until it is interrupted, which is then a good end\n"
    "  --rate N             operations/s that arrive whatever becomes of earlier ones (else each client "
    "waits)\n"
    "verify:\n"
    "  --complete           the records hold all that anybody wrote: what is not in them must not be there\n"
    "import:\n"
    "  --replies            sub-bullets become replies\n"
    "keygen:\n"
    "  --algorithm NAME     RSA2048, ECDSAP256 or ED25519 (ED25519)\n"
    "sign:\n"
    "  --author ID  --subreddit ID  --title TEXT  [--content TEXT]  [--signed-at MS (now)]\n"
    "exit status: 0 all well, 1 something failed or differs, 64 a wrong flag\n";

/* ---- values ---- */

static uint64_t parse_number(const char *flag, const char *text, uint64_t min, uint64_t max)
{
    unsigned long long number;
    char *end;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || number < min || number > max) {
        sim_fatal(EX_USAGE, "--%s: %s is not a number from %llu to %llu", flag, text, (unsigned long long)min,
                  (unsigned long long)max);
    }
    return number;
}

static double parse_fraction(const char *flag, const char *text, double max)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(number) || number < 0 || number > max) {
        sim_fatal(EX_USAGE, "--%s: %s is not a number from 0 to %g", flag, text, max);
    }
    return number;
}

static void parse_tag(struct settings *settings, const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length > FORUM_TAG_MAX ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") != length) {
        sim_fatal(EX_USAGE, "--tag: %s is not 1-%d of [a-z0-9]", text, FORUM_TAG_MAX);
    }
    snprintf(settings->tag, sizeof settings->tag, "%s", text);
}

static void parse_url(struct settings *settings, const char *text)
{
    size_t length = strlen(text);

    if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) {
        sim_fatal(EX_USAGE, "--url: %s starts with neither http:// nor https://", text);
    }
    while (length > 0 && text[length - 1] == '/') {
        length--;
    }
    free(settings->url);
    settings->url = mem_text_part(text, length);
}

static void add_record(struct settings *settings, const char *path)
{
    if (settings->record_count == SETTINGS_RECORDS_MAX) {
        sim_fatal(EX_USAGE, "--record: no more than %d files", SETTINGS_RECORDS_MAX);
    }
    settings->records[settings->record_count++] = path;
}

/* ---- flags ---- */

enum flag {
    FLAG_URL = 256,
    FLAG_CLIENTS,
    FLAG_SEED,
    FLAG_VERIFY,
    FLAG_RECORD,
    FLAG_TRACE,
    FLAG_COMPLETE,
    FLAG_RETRIES,
    FLAG_TIMEOUT,
    FLAG_TAG,
    FLAG_QUIET,
    FLAG_FIRST,
    FLAG_USERS,
    FLAG_SUBREDDITS,
    FLAG_ZIPF,
    FLAG_OFFLINE,
    FLAG_NEWCOMERS,
    FLAG_DURATION,
    FLAG_OPERATIONS,
    FLAG_RATE,
    FLAG_ENDLESS,
    FLAG_REPLIES,
    FLAG_ALGORITHM,
    FLAG_AUTHOR,
    FLAG_SUBREDDIT,
    FLAG_TITLE,
    FLAG_CONTENT,
    FLAG_SIGNED_AT,
    FLAG_HELP,
    FLAG_VERSION,
};

static const struct option flags[] = {
    {"url", required_argument, NULL, FLAG_URL},
    {"clients", required_argument, NULL, FLAG_CLIENTS},
    {"seed", required_argument, NULL, FLAG_SEED},
    {"verify", no_argument, NULL, FLAG_VERIFY},
    {"record", required_argument, NULL, FLAG_RECORD},
    {"trace", required_argument, NULL, FLAG_TRACE},
    {"complete", no_argument, NULL, FLAG_COMPLETE},
    {"retries", required_argument, NULL, FLAG_RETRIES},
    {"retry", required_argument, NULL, FLAG_RETRIES},
    {"timeout", required_argument, NULL, FLAG_TIMEOUT},
    {"tag", required_argument, NULL, FLAG_TAG},
    {"quiet", no_argument, NULL, FLAG_QUIET},
    {"first", required_argument, NULL, FLAG_FIRST},
    {"users", required_argument, NULL, FLAG_USERS},
    {"subreddits", required_argument, NULL, FLAG_SUBREDDITS},
    {"zipf", required_argument, NULL, FLAG_ZIPF},
    {"offline", required_argument, NULL, FLAG_OFFLINE},
    {"newcomers", required_argument, NULL, FLAG_NEWCOMERS},
    {"duration", required_argument, NULL, FLAG_DURATION},
    {"operations", required_argument, NULL, FLAG_OPERATIONS},
    {"rate", required_argument, NULL, FLAG_RATE},
    {"endless", no_argument, NULL, FLAG_ENDLESS},
    {"replies", no_argument, NULL, FLAG_REPLIES},
    {"algorithm", required_argument, NULL, FLAG_ALGORITHM},
    {"author", required_argument, NULL, FLAG_AUTHOR},
    {"subreddit", required_argument, NULL, FLAG_SUBREDDIT},
    {"title", required_argument, NULL, FLAG_TITLE},
    {"content", required_argument, NULL, FLAG_CONTENT},
    {"signed-at", required_argument, NULL, FLAG_SIGNED_AT},
    {"help", no_argument, NULL, FLAG_HELP},
    {"version", no_argument, NULL, FLAG_VERSION},
    {NULL, 0, NULL, 0},
};

/* Those with a number in a range, and where it goes. */
static bool take_number(struct settings *settings, int flag, const char *name, const char *value)
{
    const struct {
        int flag;
        unsigned *target;
        unsigned min, max;
    } numbers[] = {
        {FLAG_CLIENTS, &settings->clients, 1, CLIENT_AGENTS_MAX},
        {FLAG_RETRIES, &settings->retries, 0, RETRIES_MAX},
        {FLAG_TIMEOUT, &settings->timeout_ms, 1, SECONDS_MAX},
        {FLAG_FIRST, &settings->first, 1, FIRST_MAX},
        {FLAG_USERS, &settings->load.users, 1, LOAD_USERS_MAX},
        {FLAG_SUBREDDITS, &settings->load.subreddits, 1, LOAD_SUBREDDITS_MAX},
        {FLAG_DURATION, &settings->load.duration_s, 1, SECONDS_MAX},
        {FLAG_RATE, &settings->load.rate, 1, RATE_MAX},
    };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (numbers[i].flag == flag) {
            *numbers[i].target = (unsigned)parse_number(name, value, numbers[i].min, numbers[i].max);
            return true;
        }
    }
    return false;
}

/* What is signed, and how. */
static bool take_post(struct settings *settings, int flag, const char *name, const char *value)
{
    const struct {
        int flag;
        const char **target;
    } texts[] = {
        {FLAG_ALGORITHM, &settings->algorithm},         {FLAG_AUTHOR, &settings->post.author_id},
        {FLAG_SUBREDDIT, &settings->post.subreddit_id}, {FLAG_TITLE, &settings->post.title},
        {FLAG_CONTENT, &settings->post.content},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].flag == flag) {
            *texts[i].target = value;
            return true;
        }
    }
    if (flag == FLAG_SIGNED_AT) {
        settings->post.signed_at = parse_number(name, value, 1, UINT64_MAX);
        return true;
    }
    return false;
}

static bool take_text(struct settings *settings, int flag, const char *name, const char *value)
{
    switch (flag) {
    case FLAG_URL:
        parse_url(settings, value);
        return true;
    case FLAG_SEED:
        settings->seed = parse_number(name, value, 0, UINT64_MAX);
        settings->seed_given = true;
        return true;
    case FLAG_RECORD:
        add_record(settings, value);
        return true;
    case FLAG_TRACE:
        settings->trace = value;
        return true;
    case FLAG_TAG:
        parse_tag(settings, value);
        return true;
    case FLAG_ZIPF:
        settings->load.zipf = parse_fraction(name, value, 10);
        return true;
    case FLAG_OFFLINE:
        settings->load.offline = parse_fraction(name, value, 0.99);
        return true;
    case FLAG_NEWCOMERS:
        settings->load.newcomers = parse_fraction(name, value, 1);
        return true;
    case FLAG_OPERATIONS:
        settings->load.operations = parse_number(name, value, 1, UINT64_MAX);
        return true;
    default:
        return take_post(settings, flag, name, value);
    }
}

static void take_switch(struct settings *settings, int flag)
{
    switch (flag) {
    case FLAG_VERIFY:
        settings->verify = true;
        break;
    case FLAG_QUIET:
        settings->quiet = true;
        break;
    case FLAG_ENDLESS:
        settings->load.endless = true;
        break;
    case FLAG_COMPLETE:
        settings->complete = true;
        break;
    case FLAG_REPLIES:
        settings->replies = true;
        break;
    case FLAG_HELP:
        fputs(usage, stdout);
        exit(EXIT_SUCCESS);
    case FLAG_VERSION:
        puts("forumd-sim " FORUMD_VERSION);
        exit(EXIT_SUCCESS);
    default:
        fputs("try forumd-sim --help\n", stderr);
        exit(EX_USAGE);
    }
}

/* ---- the whole ---- */

static void random_name(char *name, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t number = random_system();

    for (size_t i = 0; i < length; i++) {
        name[i] = letters[number % 36];
        number /= 36;
    }
    name[length] = '\0';
}

static void set_defaults(struct settings *settings)
{
    *settings = (struct settings){.url = mem_text("http://127.0.0.1:8080"),
                                  .clients = DEFAULT_CLIENTS,
                                  .retries = RETRIES_UNSET,
                                  .timeout_ms = DEFAULT_TIMEOUT_MS,
                                  .first = 1,
                                  .operand = IMPORT_DEFAULT_DIRECTORY,
                                  .algorithm = "ED25519",
                                  .load = {.users = 100, .subreddits = 20, .zipf = 1.0, .offline = 0.1}};
    random_name(settings->run, RUN_LENGTH);
    random_name(settings->tag, TAG_LENGTH);
}

/* Each command's name, and how many operands it takes besides. */
static const struct {
    const char *name;
    int least, most;
} commands[] = {
    [COMMAND_JOURNEY] = {"journey", 0, 0}, [COMMAND_MULTI] = {"multi", 0, 0},
    [COMMAND_LOAD] = {"load", 0, 0},       [COMMAND_IMPORT] = {"import", 0, 1},
    [COMMAND_VERIFY] = {"verify", 0, 0},   [COMMAND_KEYGEN] = {"keygen", 1, 1},
    [COMMAND_SIGN] = {"sign", 1, 1},       [COMMAND_VERIFY_SIGNATURE] = {"verify-signature", 1, 1},
};

static void take_operands(struct settings *settings, int count, char **operands)
{
    size_t command = 0;

    if (count == 0) {
        fputs(usage, stderr);
        exit(EX_USAGE);
    }
    while (command < ARRAY_LEN(commands) && strcmp(operands[0], commands[command].name) != 0) {
        command++;
    }
    if (command == ARRAY_LEN(commands)) {
        sim_fatal(EX_USAGE, "%s is no command; see --help", operands[0]);
    }
    settings->command = (enum command)command;
    if (count - 1 < commands[command].least) {
        sim_fatal(EX_USAGE, "%s: something is missing behind it; see --help", operands[0]);
    }
    if (count - 1 > commands[command].most) {
        sim_fatal(EX_USAGE, "%s: one argument too many", operands[commands[command].most + 1]);
    }
    if (count > 1) {
        settings->operand = operands[1];
    }
}

static void check_post(const struct settings *settings)
{
    const struct signer_post *post = &settings->post;

    if (settings->command == COMMAND_SIGN &&
        (post->author_id == NULL || post->subreddit_id == NULL || post->title == NULL)) {
        sim_fatal(EX_USAGE, "sign needs --author, --subreddit and --title");
    }
}

void settings_parse(struct settings *settings, int argc, char **argv)
{
    int flag, position = 0;

    set_defaults(settings);
    while ((flag = getopt_long(argc, argv, "", flags, &position)) != -1) {
        const char *name = flag >= FLAG_URL ? flags[position].name : "";

        if (!take_number(settings, flag, name, optarg) && !take_text(settings, flag, name, optarg)) {
            take_switch(settings, flag);
        }
    }
    take_operands(settings, argc - optind, argv + optind);
    check_post(settings);
    if (settings->retries == RETRIES_UNSET) {
        settings->retries = settings->command == COMMAND_LOAD ? 0 : DEFAULT_RETRIES;
    }
    if (!settings->seed_given) {
        /* An import's votes are the same each time, so that a second one adds nothing. */
        settings->seed = settings->command == COMMAND_IMPORT ? IMPORT_DEFAULT_SEED : random_system();
    }
    if (settings->load.endless && (settings->load.duration_s > 0 || settings->load.operations > 0)) {
        sim_fatal(EX_USAGE, "--endless: neither --duration nor --operations goes with it");
    }
    if (settings->load.duration_s == 0 && settings->load.operations == 0 && !settings->load.endless) {
        settings->load.duration_s = DEFAULT_DURATION_S;
    }
    settings->verify = settings->verify || settings->command == COMMAND_VERIFY;
    if (settings->command != COMMAND_VERIFY && settings->record_count > 1) {
        sim_fatal(EX_USAGE, "--record: only verify takes several");
    }
}

void settings_clear(struct settings *settings)
{
    free(settings->url);
}
