#include "gateway/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fatal.h"
#include "common/latency.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/process.h"
#include "common/version.h"
#include "gateway/routes.h"

#define ROUTES_MAX    64 /* rows of the route table, and one for requests that match none */
#define BATCH_BUCKETS 11 /* up to 2^k frames: 1 .. 1024 */
#define PAGE_MAGIC    0x4d525547u
#define VERSION_BYTES 48
#define LOOK_MS       1000  /* how often a process looks at its memory */
#define GONE_MS       60000 /* a worker that did not turn for that long is told of no more ... */
#define SILENT_MS     5000  /* ... and for that long is not up */

static const uint16_t http_codes[] = {200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 411,
                                      413, 414, 415, 417, 422, 429, 431, 500, 501, 503, 505};
#define HTTP_CODES ARRAY_LEN(http_codes)

struct route_counts {
    _Atomic uint64_t by_code[HTTP_CODES + 1]; /* the last: any other */
    _Atomic uint64_t latency[LATENCY_BUCKETS + 1];
    _Atomic uint64_t latency_us;
};

/* Who is in a place of the page; pid 0: nobody. */
struct presence {
    _Atomic uint64_t pid, started_ms, turn_ms, resident_bytes, restarts;
    _Atomic char version[VERSION_BYTES];
};

struct slot {
    _Alignas(64) _Atomic int64_t values[METRIC_COUNT];
    struct presence presence;
    _Atomic uint64_t requests;
    _Atomic uint64_t pending[DOMAIN_COUNT], circuit_open[DOMAIN_COUNT];
    _Atomic uint64_t cpu_us; /* of all workers that were here */
    _Atomic uint64_t batch_frames[BATCH_BUCKETS + 1];
    struct route_counts routes[ROUTES_MAX];
};

struct page {
    _Atomic uint64_t layout;  /* 0: fresh. Another version's routes or fields must not be added to ours */
    _Atomic uint64_t workers; /* of one generation */
    struct presence master;
    struct slot slots[];
};

struct metrics {
    struct page *page;
    size_t bytes;
    unsigned slots;
    struct slot *own;
    uint64_t look_ms, cpu_us; /* when to look at what it takes again; the time that it had spent last */
};

struct metrics_master {
    struct page *page;
    size_t bytes;
    uint64_t look_ms;
};

/* A row of METRICS_TABLE. */
static const struct metric_row {
    const char *name, *type, *help;
} metric_rows[METRIC_COUNT] = {
#define X(NAME, name, type, help) {name, type, help},
    METRICS_TABLE(X)
#undef X
};

static bool is_gauge(enum metric metric)
{
    return metric_rows[metric].type[0] == 'g';
}

/* Differs whenever a number in the page would mean something else (FNV-1a over what gives it meaning). */
static uint64_t layout_of_this_program(void)
{
    uint64_t hash = 0xcbf29ce484222325u ^ PAGE_MAGIC ^ sizeof(struct slot);
    for (size_t i = 0; i < route_count; i++) {
        const char *texts[] = {routes[i].method, routes[i].path};
        for (size_t t = 0; t < ARRAY_LEN(texts); t++)
            for (const char *c = texts[t]; *c != '\0'; c++)
                hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    }
    for (size_t i = 0; i < METRIC_COUNT; i++)
        for (const char *c = metric_rows[i].name; *c != '\0'; c++)
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return hash | 1;
}

size_t metrics_page_bytes(unsigned slots)
{
    return sizeof(struct page) + (size_t)slots * sizeof(struct slot);
}

static void *page_map(size_t bytes, int fd)
{
    int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED)
        fatal_exit(EXIT_OS, "cannot map the page of counters: %s", strerror(errno));
    return at;
}

static bool page_claim(struct page *page)
{
    uint64_t found = 0, layout = layout_of_this_program();
    return atomic_compare_exchange_strong(&page->layout, &found, layout) || found == layout;
}

struct metrics *metrics_open(int fd, unsigned slots, unsigned slot)
{
    ensure(slot < slots && route_count < ROUTES_MAX);
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));
    metrics->slots = slots;
    metrics->bytes = metrics_page_bytes(slots);
    metrics->page = page_map(metrics->bytes, fd);
    if (!page_claim(metrics->page)) {
        log_notice("the page of counters is another version's; counting anew");
        munmap(metrics->page, metrics->bytes);
        metrics->page = page_map(metrics->bytes, -1);
        ensure(page_claim(metrics->page));
    }
    metrics->own = &metrics->page->slots[slot];
    for (int i = 0; i < METRIC_COUNT; i++)
        if (is_gauge((enum metric)i))
            metrics_set(metrics, (enum metric)i, 0);
    for (int i = DOMAIN_FIRST; i < DOMAIN_COUNT; i++)
        metrics_engine(metrics, (enum domain_id)i, 0, false);
    return metrics;
}

struct metrics *metrics_view(int fd, unsigned slots)
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));
    metrics->slots = slots;
    metrics->bytes = metrics_page_bytes(slots);
    metrics->page = page_map(metrics->bytes, fd);
    return metrics;
}

static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static void set(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void metrics_close(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    if (metrics->own != NULL) /* not the master's view */
        set(&metrics->own->presence.pid, 0);
    munmap(metrics->page, metrics->bytes);
    free(metrics);
}

static void presence_begin(struct presence *presence, const struct metrics_process *process)
{
    char version[VERSION_BYTES] = "";
    snprintf(version, sizeof(version), "%s", version_text);
    for (size_t i = 0; i < VERSION_BYTES; i++)
        atomic_store_explicit(&presence->version[i], version[i], memory_order_relaxed);
    set(&presence->started_ms, process->started_ms);
    set(&presence->turn_ms, process->started_ms);
    set(&presence->restarts, process->restarts);
    struct process_usage usage;
    process_usage(&usage);
    set(&presence->resident_bytes, usage.resident_bytes);
    set(&presence->pid, (uint64_t)getpid());
}

/* True: a second is over, so that what the process takes was looked at. */
static bool presence_turn(struct presence *presence, uint64_t *look_ms, uint64_t now_ms,
                          struct process_usage *usage)
{
    set(&presence->turn_ms, now_ms);
    if (now_ms < *look_ms)
        return false;
    *look_ms = now_ms + LOOK_MS;
    process_usage(usage);
    set(&presence->resident_bytes, usage->resident_bytes);
    return true;
}

void metrics_worker_begin(struct metrics *metrics, const struct metrics_process *process)
{
    presence_begin(&metrics->own->presence, process);
    metrics_set(metrics, METRIC_WORKERS, 1);
    metrics_add(metrics, METRIC_WORKER_STARTS, 1);
    metrics_add(metrics, METRIC_WORKER_RESTARTS, process->restarts > 0);
}

void metrics_worker_turn(struct metrics *metrics, uint64_t now_ms)
{
    struct process_usage usage;
    if (!presence_turn(&metrics->own->presence, &metrics->look_ms, now_ms, &usage))
        return;
    count(&metrics->own->cpu_us, usage.cpu_us - metrics->cpu_us);
    metrics->cpu_us = usage.cpu_us;
    metrics_set(metrics, METRIC_RESIDENT_BYTES, (int64_t)usage.resident_bytes);
}

struct metrics_master *metrics_master_open(int fd, unsigned slots, unsigned workers,
                                           const struct metrics_process *process)
{
    struct metrics_master *master = xcalloc(1, sizeof(*master));
    master->bytes = metrics_page_bytes(slots);
    master->page = page_map(master->bytes, fd);
    ensure(page_claim(master->page));
    set(&master->page->workers, workers);
    presence_begin(&master->page->master, process);
    return master;
}

void metrics_master_turn(struct metrics_master *master, uint64_t now_ms)
{
    struct process_usage usage;
    (void)presence_turn(&master->page->master, &master->look_ms, now_ms, &usage);
}

void metrics_master_close(struct metrics_master *master)
{
    munmap(master->page, master->bytes);
    free(master);
}

void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount)
{
    atomic_fetch_add_explicit(&metrics->own->values[metric], amount, memory_order_relaxed);
}

void metrics_set(struct metrics *metrics, enum metric metric, int64_t value)
{
    atomic_store_explicit(&metrics->own->values[metric], value, memory_order_relaxed);
}

void metrics_engine(struct metrics *metrics, enum domain_id domain, size_t pending, bool circuit_open)
{
    atomic_store_explicit(&metrics->own->pending[domain], pending, memory_order_relaxed);
    atomic_store_explicit(&metrics->own->circuit_open[domain], circuit_open, memory_order_relaxed);
}

static size_t code_index(unsigned http_status)
{
    size_t index = 0;
    while (index < HTTP_CODES && http_codes[index] != http_status)
        index++;
    return index;
}

/* The first bucket that holds it: bounds are first, 2 * first, 4 * first, ... */
static size_t log_bucket(uint64_t value, uint64_t first, size_t buckets)
{
    size_t index = 0;
    while (index < buckets && value > first << index)
        index++;
    return index;
}

void metrics_request(struct metrics *metrics, size_t route, unsigned http_status, uint64_t took_us)
{
    count(&metrics->own->requests, 1);
    struct route_counts *counts = &metrics->own->routes[route == METRICS_NO_ROUTE ? ROUTES_MAX - 1 : route];
    count(&counts->by_code[code_index(http_status)], 1);
    count(&counts->latency[log_bucket(took_us, LATENCY_FIRST_US, LATENCY_BUCKETS)], 1);
    count(&counts->latency_us, took_us);
}

void metrics_batch(struct metrics *metrics, unsigned frames)
{
    count(&metrics->own->batch_frames[log_bucket(frames, 1, BATCH_BUCKETS)], 1);
    metrics_add(metrics, METRIC_BATCHES, 1);
    metrics_add(metrics, METRIC_FRAMES, frames);
}

/* What a worker that was killed left in its gauges is nobody's. */
static bool slot_is_alive(const struct metrics *metrics, const struct slot *slot, uint64_t now_ms)
{
    uint64_t pid = atomic_load_explicit(&slot->presence.pid, memory_order_relaxed);
    uint64_t turn_ms = atomic_load_explicit(&slot->presence.turn_ms, memory_order_relaxed);
    return slot == metrics->own || (pid != 0 && now_ms < turn_ms + SILENT_MS);
}

int64_t metrics_sum(const struct metrics *metrics, enum metric metric)
{
    int64_t sum = 0;
    uint64_t now_ms = clock_monotonic_ms();
    for (unsigned s = 0; s < metrics->slots; s++) {
        const struct slot *slot = &metrics->page->slots[s];
        if (!is_gauge(metric) || slot_is_alive(metrics, slot, now_ms))
            sum += atomic_load_explicit(&slot->values[metric], memory_order_relaxed);
    }
    return sum;
}

uint64_t metrics_requests(const struct metrics *metrics)
{
    uint64_t sum = 0;
    if (atomic_load(&metrics->page->layout) != layout_of_this_program())
        return 0;
    for (unsigned s = 0; s < metrics->slots; s++)
        for (size_t r = 0; r < ROUTES_MAX; r++)
            for (size_t c = 0; c <= HTTP_CODES; c++)
                sum +=
                    atomic_load_explicit(&metrics->page->slots[s].routes[r].by_code[c], memory_order_relaxed);
    return sum;
}

static uint64_t slot_value(const struct slot *slot, size_t offset)
{
    const char *at = (const char *)slot + offset;
    return atomic_load_explicit((const _Atomic uint64_t *)(const void *)at, memory_order_relaxed);
}

/* Sums one counter over all slots; `offset` is its place in a slot. */
static uint64_t sum_at(const struct metrics *metrics, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned s = 0; s < metrics->slots; s++)
        sum += slot_value(&metrics->page->slots[s], offset);
    return sum;
}

/* The same of a gauge. */
static uint64_t sum_alive_at(const struct metrics *metrics, size_t offset)
{
    uint64_t sum = 0, now_ms = clock_monotonic_ms();
    for (unsigned s = 0; s < metrics->slots; s++) {
        const struct slot *slot = &metrics->page->slots[s];
        sum += slot_is_alive(metrics, slot, now_ms) ? slot_value(slot, offset) : 0;
    }
    return sum;
}

#define SLOT_OFFSET(metrics, member)                                                                         \
    ((size_t)((const char *)&(metrics)->own->member - (const char *)(metrics)->own))

PRINTF_LIKE(2, 3) static void print_line(struct text *out, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ensure(length > 0 && (size_t)length < sizeof(line));
    text_append(out, line, (size_t)length);
}

static const char *route_method(size_t route)
{
    return route < route_count ? routes[route].method : "";
}

static const char *route_path(size_t route)
{
    return route < route_count ? routes[route].path : "";
}

struct seen_process {
    char name[24];
    struct presence *presence;
    struct slot *slot; /* NULL: the master */
};

/* The master first. Those that are gone for long are left out. */
static size_t see_processes(const struct metrics *metrics, uint64_t now_ms, struct seen_process *out)
{
    size_t count = 0;
    out[count++] = (struct seen_process){.name = "master", .presence = &metrics->page->master};
    for (unsigned i = 0; i < metrics->slots; i++) {
        struct slot *slot = &metrics->page->slots[i];
        if (get(&slot->presence.pid) == 0 || now_ms > get(&slot->presence.turn_ms) + GONE_MS)
            continue;
        out[count].presence = &slot->presence;
        out[count].slot = slot;
        snprintf(out[count++].name, sizeof(out[0].name), "worker %u", i + 1);
    }
    return count;
}

static uint64_t process_up(const struct seen_process *process, uint64_t now_ms)
{
    return get(&process->presence->pid) != 0 && now_ms < get(&process->presence->turn_ms) + SILENT_MS;
}

static void print_process_head(struct text *out, const char *name, const char *type, const char *help)
{
    print_line(out, "# HELP forumd_process_%s %s\n# TYPE forumd_process_%s %s\n", name, help, name, type);
}

static uint64_t process_value(const struct seen_process *process, const char *name, uint64_t now_ms)
{
    struct presence *presence = process->presence;
    uint64_t started_ms = get(&presence->started_ms);
    if (strcmp(name, "up") == 0)
        return process_up(process, now_ms);
    if (strcmp(name, "uptime_seconds") == 0)
        return now_ms > started_ms ? (now_ms - started_ms) / 1000 : 0;
    if (strcmp(name, "restarts_total") == 0)
        return get(&presence->restarts);
    return get(&presence->resident_bytes);
}

static void print_info(const struct seen_process *process, struct text *out)
{
    char version[VERSION_BYTES + 1] = "";
    for (size_t i = 0; i < VERSION_BYTES; i++)
        version[i] = atomic_load_explicit(&process->presence->version[i], memory_order_relaxed);
    print_line(out, "forumd_process_info{process=\"%s\",pid=\"%" PRIu64 "\",version=\"%s\"} 1\n",
               process->name, get(&process->presence->pid), version);
}

static void print_workers(const struct seen_process *seen, size_t count, struct text *out)
{
    print_process_head(out, "requests_total", "counter", "requests that a worker answered");
    for (size_t i = 1; i < count; i++)
        print_line(out, "forumd_process_requests_total{process=\"%s\"} %" PRIu64 "\n", seen[i].name,
                   get(&seen[i].slot->requests));
    print_process_head(out, "connections", "gauge", "open client connections of a worker");
    for (size_t i = 1; i < count; i++)
        print_line(out, "forumd_process_connections{process=\"%s\"} %" PRId64 "\n", seen[i].name,
                   atomic_load_explicit(&seen[i].slot->values[METRIC_CONNECTIONS], memory_order_relaxed));
}

static void print_processes(const struct metrics *metrics, uint64_t now_ms, struct text *out)
{
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        {"up", "gauge", "its loop turned within five seconds"},
        {"uptime_seconds", "gauge", "since the process started"},
        {"restarts_total", "counter", "how often its supervisor restarted it"},
        {"resident_bytes", "gauge", "memory"},
    };
    struct seen_process seen[1 + 2 * LIMIT_WORKERS];
    ensure(metrics->slots <= 2 * LIMIT_WORKERS);
    size_t count = see_processes(metrics, now_ms, seen);
    print_process_head(out, "info", "gauge", "the gateway's processes");
    for (size_t i = 0; i < count; i++)
        print_info(&seen[i], out);
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        print_process_head(out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < count; i++)
            print_line(out, "forumd_process_%s{process=\"%s\"} %" PRIu64 "\n", rows[r].name, seen[i].name,
                       process_value(&seen[i], rows[r].name, now_ms));
    }
    print_workers(seen, count, out);
    print_line(out,
               "# HELP forumd_gateway_workers workers that there are to be\n"
               "# TYPE forumd_gateway_workers gauge\nforumd_gateway_workers %" PRIu64 "\n",
               get(&metrics->page->workers));
}

static void print_requests(const struct metrics *metrics, struct text *out)
{
    text_append_string(
        out, "# HELP forumd_http_requests_total requests answered (no route: unmatched or refused)\n"
             "# TYPE forumd_http_requests_total counter\n");
    for (size_t r = 0; r < ROUTES_MAX; r++) {
        for (size_t c = 0; c <= HTTP_CODES; c++) {
            uint64_t value = sum_at(metrics, SLOT_OFFSET(metrics, routes[r].by_code[c]));
            if (value == 0)
                continue;
            print_line(out,
                       "forumd_http_requests_total{method=\"%s\",route=\"%s\",status=\"%u\"} %" PRIu64 "\n",
                       route_method(r), route_path(r), c < HTTP_CODES ? http_codes[c] : 0u, value);
        }
    }
}

static void print_route_latency(const struct metrics *metrics, struct text *out, size_t r)
{
    static const char name[] = "forumd_http_request_duration_seconds";
    const char *method = route_method(r), *path = route_path(r);
    uint64_t sums[LATENCY_BUCKETS + 1], total = 0, so_far = 0;
    for (size_t b = 0; b <= LATENCY_BUCKETS; b++) {
        sums[b] = sum_at(metrics, SLOT_OFFSET(metrics, routes[r].latency[b]));
        total += sums[b];
    }
    if (total == 0)
        return;
    for (size_t b = 0; b < LATENCY_BUCKETS; b++) {
        so_far += sums[b];
        print_line(out, "%s_bucket{method=\"%s\",route=\"%s\",le=\"%.6f\"} %" PRIu64 "\n", name, method, path,
                   (double)((uint64_t)LATENCY_FIRST_US << b) / 1e6, so_far);
    }
    print_line(out, "%s_bucket{method=\"%s\",route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, method, path,
               total);
    print_line(out, "%s_sum{method=\"%s\",route=\"%s\"} %.6f\n", name, method, path,
               (double)sum_at(metrics, SLOT_OFFSET(metrics, routes[r].latency_us)) / 1e6);
    print_line(out, "%s_count{method=\"%s\",route=\"%s\"} %" PRIu64 "\n", name, method, path, total);
}

static void print_latencies(const struct metrics *metrics, struct text *out)
{
    text_append_string(
        out, "# HELP forumd_http_request_duration_seconds from the whole request to the answer's start\n"
             "# TYPE forumd_http_request_duration_seconds histogram\n");
    for (size_t r = 0; r < ROUTES_MAX; r++)
        print_route_latency(metrics, out, r);
}

static void print_batches(const struct metrics *metrics, struct text *out)
{
    uint64_t so_far = 0;
    text_append_string(out, "# HELP forumd_gateway_batch_frames request frames in a batch\n"
                            "# TYPE forumd_gateway_batch_frames histogram\n");
    for (size_t b = 0; b < BATCH_BUCKETS; b++) {
        so_far += sum_at(metrics, SLOT_OFFSET(metrics, batch_frames[b]));
        print_line(out, "forumd_gateway_batch_frames_bucket{le=\"%u\"} %" PRIu64 "\n", 1u << b, so_far);
    }
    so_far += sum_at(metrics, SLOT_OFFSET(metrics, batch_frames[BATCH_BUCKETS]));
    print_line(out, "forumd_gateway_batch_frames_bucket{le=\"+Inf\"} %" PRIu64 "\n", so_far);
    print_line(out, "forumd_gateway_batch_frames_sum %" PRId64 "\n", metrics_sum(metrics, METRIC_FRAMES));
    print_line(out, "forumd_gateway_batch_frames_count %" PRIu64 "\n", so_far);
}

static void print_cpu(const struct metrics *metrics, struct text *out)
{
    print_line(out,
               "# HELP forumd_gateway_cpu_seconds_total processor time of all workers\n"
               "# TYPE forumd_gateway_cpu_seconds_total counter\n"
               "forumd_gateway_cpu_seconds_total %.6f\n",
               (double)sum_at(metrics, SLOT_OFFSET(metrics, cpu_us)) / 1e6);
}

static void print_engines(const struct metrics *metrics, struct text *out)
{
    const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
        {"pending", "requests that wait for the engine or are with it", SLOT_OFFSET(metrics, pending)},
        {"circuits_open", "workers that refuse what needs the engine, which did not answer in time",
         SLOT_OFFSET(metrics, circuit_open)},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_line(out, "# HELP forumd_gateway_%s %s\n# TYPE forumd_gateway_%s gauge\n", rows[i].name,
                   rows[i].help, rows[i].name);
        for (int domain = DOMAIN_FIRST; domain < DOMAIN_COUNT; domain++)
            print_line(out, "forumd_gateway_%s{engine=\"%s\"} %" PRIu64 "\n", rows[i].name,
                       domain_name((enum domain_id)domain),
                       sum_alive_at(metrics, rows[i].offset + (size_t)domain * sizeof(uint64_t)));
    }
}

void metrics_print(const struct metrics *metrics, uint64_t now_ms, struct text *out)
{
    text_append_string(out, "# HELP forumd_build_info the version of the worker asked\n"
                            "# TYPE forumd_build_info gauge\n");
    print_line(out, "forumd_build_info{version=\"%s\"} 1\n", version_text);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        print_line(out, "# HELP forumd_%s %s\n# TYPE forumd_%s %s\nforumd_%s %" PRId64 "\n", row->name,
                   row->help, row->name, row->type, row->name, metrics_sum(metrics, (enum metric)i));
    }
    print_cpu(metrics, out);
    print_engines(metrics, out);
    print_requests(metrics, out);
    print_latencies(metrics, out);
    print_batches(metrics, out);
    print_processes(metrics, now_ms, out);
}
