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

#include "common/clock.h"
#include "common/fatal.h"
#include "common/log.h"
#include "common/process.h"
#include "common/version.h"
#include "gateway/routes.h"

#define ROUTES_MAX       64 /* rows of the route table, and one for requests that match none */
#define LATENCY_BUCKETS  16 /* up to 2^k * LATENCY_FIRST_US */
#define LATENCY_FIRST_US 64
#define BATCH_BUCKETS    11 /* up to 2^k frames: 1 .. 1024 */
#define PAGE_MAGIC       0x4d525546u
#define TURN_STALE_MS    5000 /* a worker whose loop stands still that long has no gauges */
#define USAGE_EVERY_MS   1000

static const uint16_t http_codes[] = {200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 411,
                                      413, 414, 415, 417, 422, 429, 431, 500, 501, 503, 505};
#define HTTP_CODES ARRAY_LEN(http_codes)

/* What a worker leaves behind is not there any more. */

struct route_counts {
    _Atomic uint64_t by_code[HTTP_CODES + 1]; /* the last: any other */
    _Atomic uint64_t latency[LATENCY_BUCKETS + 1];
    _Atomic uint64_t latency_us;
};

struct slot {
    _Alignas(64) _Atomic uint64_t turned_ms; /* CLOCK_MONOTONIC; 0: nobody is here */
    _Atomic int64_t values[METRIC_COUNT];
    _Atomic uint64_t pending[DOMAIN_COUNT], circuit_open[DOMAIN_COUNT];
    _Atomic uint64_t cpu_us; /* of all workers that were here */
    _Atomic uint64_t batch_frames[BATCH_BUCKETS + 1];
    struct route_counts routes[ROUTES_MAX];
};

struct page {
    _Atomic uint64_t layout; /* 0: fresh. Another version's routes or fields must not be added to ours */
    struct slot slots[];
};

struct metrics {
    struct page *page;
    size_t bytes;
    unsigned slots;
    struct slot *own;
    uint64_t usage_ms, cpu_us; /* when its usage was looked at last, and the time it had spent then */
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

void metrics_close(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    if (metrics->own != NULL)
        atomic_store_explicit(&metrics->own->turned_ms, 0, memory_order_relaxed);
    munmap(metrics->page, metrics->bytes);
    free(metrics);
}

static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
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

void metrics_turn(struct metrics *metrics, uint64_t now_ms)
{
    struct process_usage usage;
    atomic_store_explicit(&metrics->own->turned_ms, now_ms, memory_order_relaxed);
    if (now_ms < metrics->usage_ms + USAGE_EVERY_MS)
        return;
    metrics->usage_ms = now_ms;
    process_usage(&usage);
    count(&metrics->own->cpu_us, usage.cpu_us - metrics->cpu_us);
    metrics->cpu_us = usage.cpu_us;
    metrics_set(metrics, METRIC_RESIDENT_BYTES, (int64_t)usage.resident_bytes);
    metrics_set(metrics, METRIC_WORKERS, 1);
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
    uint64_t turned_ms = atomic_load_explicit(&slot->turned_ms, memory_order_relaxed);
    return slot == metrics->own || (turned_ms != 0 && now_ms < turned_ms + TURN_STALE_MS);
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

void metrics_print(const struct metrics *metrics, struct text *out)
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
}
