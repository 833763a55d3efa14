// The bank: 1024 accounts, each transfer moves 1 between two random ones, the sum stays.
//
// A program of this family includes this file, which brings main(), and defines the six
// functions below. They are static so that the compiler can inline them: a call through a
// pointer would be a visible part of the fastest peers' time.

#ifndef RAINBOWFS_BANK_H
#define RAINBOWFS_BANK_H

#include "measure.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ACCOUNTS = 1024,
    OPENING_BALANCE = 1000,
    EXPECTED_TOTAL = ACCOUNTS * OPENING_BALANCE,
};

struct bank_options {
    unsigned workers;
    bool processes;
    long milliseconds;
    unsigned read_all_percent;
    bool pin;
    bool variant;          ///< the program's own switch: --writemap of the LMDB one
    const char *directory; ///< where files go, if the program needs any
};

/// Creates the accounts, before any worker runs.
static void bank_setup(const struct bank_options *options);
/// The name of this peer as printed.
static const char *bank_name(const struct bank_options *options);
/// What a worker needs to reach the accounts; called in the worker's thread or process.
static void *bank_open(const struct bank_options *options);
/// Moves 1 from one account to another, however many attempts it takes.
static void bank_transfer(void *handle, unsigned from, unsigned to, uint64_t *aborts);
/// The sum of all accounts, read in one transaction.
static int64_t bank_total(void *handle, uint64_t *aborts);
static void bank_close(void *handle);
/// Removes what bank_setup created, after all workers are gone.
static void bank_teardown(const struct bank_options *options);

struct worker_counts {
    alignas(CACHE_LINE_BYTES) uint64_t transfers;
    uint64_t totals;
    uint64_t aborts;
    uint64_t wrong_totals;
    double seconds;
};

/// Shared by all workers, in memory that survives fork. The flags are written by the parent
/// alone, `ready` by each worker once, and a worker's counts by itself when it ends.
struct bank_control {
    alignas(CACHE_LINE_BYTES) atomic_uint ready;
    alignas(CACHE_LINE_BYTES) atomic_bool go;
    atomic_bool stop;
    struct worker_counts workers[WORKERS_MAX];
};

struct worker {
    const struct bank_options *options;
    struct bank_control *control;
    unsigned index;
    pthread_t thread;
    pid_t process;
};

/// xorshift64*: cheap, so that the peer is measured and not its random numbers.
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

static void bank_run(struct worker *worker, void *handle, struct worker_counts *counts)
{
    const struct bank_options *options = worker->options;
    atomic_bool *stop = &worker->control->stop;
    uint64_t random = UINT64_C(0x9E3779B97F4A7C15) * (worker->index + 1);
    double start = now_seconds();
    while (!atomic_load_explicit(stop, memory_order_relaxed)) {
        uint64_t drawn = next_random(&random);
        unsigned from = (unsigned)(drawn >> 54);
        unsigned to = (unsigned)(drawn >> 44) % ACCOUNTS;
        if (options->read_all_percent > 0 && (drawn >> 8) % 100 < options->read_all_percent) {
            if (bank_total(handle, &counts->aborts) != EXPECTED_TOTAL)
                counts->wrong_totals++;
            counts->totals++;
        } else {
            bank_transfer(handle, from, to == from ? (to + 1) % ACCOUNTS : to, &counts->aborts);
            counts->transfers++;
        }
    }
    counts->seconds = now_seconds() - start;
}

static void *bank_work(void *argument)
{
    struct worker *worker = argument;
    struct bank_control *control = worker->control;
    struct worker_counts counts = {0};
    if (worker->options->pin)
        pin_to_cpu(allowed_cpu(worker->index));
    void *handle = bank_open(worker->options);
    atomic_fetch_add(&control->ready, 1);
    while (!atomic_load(&control->go))
        sleep_microseconds(50);
    bank_run(worker, handle, &counts);
    bank_close(handle);
    control->workers[worker->index] = counts;
    return NULL;
}

static void bank_start(struct worker *worker)
{
    if (!worker->options->processes) {
        check_error(pthread_create(&worker->thread, NULL, bank_work, worker), "pthread_create");
        return;
    }
    worker->process = fork();
    check(worker->process, "fork");
    if (worker->process == 0) {
        bank_work(worker);
        _exit(EXIT_SUCCESS);
    }
}

static void bank_join(struct worker *worker)
{
    if (!worker->options->processes) {
        check_error(pthread_join(worker->thread, NULL), "pthread_join");
        return;
    }
    int status = 0;
    check(waitpid(worker->process, &status, 0), "waitpid");
    if (status != 0)
        fail("worker %u ended with status %#x", worker->index, (unsigned)status);
}

/// Waits until all workers are ready. It fails if one dies before that.
static void bank_wait_ready(struct worker *workers, const struct bank_options *options,
                            struct bank_control *control)
{
    while (atomic_load(&control->ready) < options->workers) {
        sleep_microseconds(100);
        for (unsigned i = 0; options->processes && i < options->workers; i++) {
            if (waitpid(workers[i].process, NULL, WNOHANG) == 0)
                continue;
            atomic_store(&control->stop, true);
            atomic_store(&control->go, true);
            fail("worker %u ended before it was ready", i);
        }
    }
}

static int bank_report(const struct bank_options *options, const struct bank_control *control)
{
    struct worker_counts sum = {0};
    double transfers_per_second = 0;
    double totals_per_second = 0;
    for (unsigned i = 0; i < options->workers; i++) {
        const struct worker_counts *counts = &control->workers[i];
        transfers_per_second += (double)counts->transfers / counts->seconds;
        totals_per_second += (double)counts->totals / counts->seconds;
        sum.aborts += counts->aborts;
        sum.wrong_totals += counts->wrong_totals;
    }
    void *handle = bank_open(options);
    int64_t total = bank_total(handle, &sum.aborts);
    bank_close(handle);
    bool sum_ok = total == EXPECTED_TOTAL && sum.wrong_totals == 0;
    printf("{\"name\":\"%s\",\"workers\":%u,\"kind\":\"%s\",\"milliseconds\":%ld,"
           "\"transfers_per_second\":%.0f,\"totals_per_second\":%.0f,\"aborts\":%llu,"
           "\"sum_ok\":%s}\n",
           bank_name(options), options->workers, options->processes ? "processes" : "threads",
           options->milliseconds, transfers_per_second, totals_per_second,
           (unsigned long long)sum.aborts, sum_ok ? "true" : "false");
    return sum_ok ? EXIT_SUCCESS : EXIT_WRONG_RESULT;
}

__attribute__((noreturn)) static void bank_usage(const char *program, int status)
{
    fprintf(status == EXIT_SUCCESS ? stdout : stderr,
            "usage: %s [options]\n"
            "  --workers N        threads at work (1)\n"
            "  --processes        processes instead of threads\n"
            "  --milliseconds N   how long to run (1000)\n"
            "  --read-all PERCENT share of transactions that read all accounts (0)\n"
            "  --pin              one worker a CPU, the allowed ones in turn\n"
            "  --directory DIR    where files go, if any are needed (/dev/shm)\n"
            "  --writemap         bank_lmdb only: MDB_WRITEMAP besides MDB_NOSYNC\n",
            program);
    exit(status);
}

static struct bank_options bank_parse(int count, char **arguments)
{
    static const struct option known[] = {
        {"workers", required_argument, NULL, 'w'},  {"processes", no_argument, NULL, 'p'},
        {"milliseconds", required_argument, NULL, 'm'}, {"read-all", required_argument, NULL, 'r'},
        {"pin", no_argument, NULL, 'P'},            {"directory", required_argument, NULL, 'd'},
        {"writemap", no_argument, NULL, 'W'},       {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct bank_options options = {.workers = 1, .milliseconds = 1000, .directory = "/dev/shm"};
    for (int found; (found = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (found) {
        case 'w':
            options.workers = (unsigned)parse_number("--workers", optarg, 1, WORKERS_MAX);
            break;
        case 'p': options.processes = true; break;
        case 'm':
            options.milliseconds = parse_number("--milliseconds", optarg, 1, 3600 * 1000L);
            break;
        case 'r':
            options.read_all_percent = (unsigned)parse_number("--read-all", optarg, 0, 100);
            break;
        case 'P': options.pin = true; break;
        case 'd': options.directory = optarg; break;
        case 'W': options.variant = true; break;
        default: bank_usage(arguments[0], found == 'h' ? EXIT_SUCCESS : EXIT_CANNOT_RUN);
        }
    }
    if (optind != count)
        bank_usage(arguments[0], EXIT_CANNOT_RUN);
    return options;
}

int main(int count, char **arguments)
{
    struct bank_options options = bank_parse(count, arguments);
    struct bank_control *control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (control == MAP_FAILED)
        fail("mmap: %s", strerror(errno));
    bank_setup(&options);
    struct worker workers[WORKERS_MAX];
    for (unsigned i = 0; i < options.workers; i++) {
        workers[i] = (struct worker){.options = &options, .control = control, .index = i};
        bank_start(&workers[i]);
    }
    bank_wait_ready(workers, &options, control);
    atomic_store(&control->go, true);
    sleep_microseconds(options.milliseconds * 1000);
    atomic_store(&control->stop, true);
    for (unsigned i = 0; i < options.workers; i++)
        bank_join(&workers[i]);
    int status = bank_report(&options, control);
    bank_teardown(&options);
    return status;
}

#endif
