// What every benchmark program here needs: time, errors, options with numbers, pinning.
//
// Include it first: it selects the GNU functions.

#ifndef RAINBOWFS_MEASURE_H
#define RAINBOWFS_MEASURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    EXIT_WRONG_RESULT = 1,
    EXIT_CANNOT_RUN = 2,
    CACHE_LINE_BYTES = 64,
    WORKERS_MAX = 64,
};

/// Ends the program with a sentence that says what could not be done.
__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_CANNOT_RUN);
}

/// Ends the program if `result` is negative, with the text of errno.
static inline void check(long result, const char *what)
{
    if (result < 0)
        fail("%s: %s", what, strerror(errno));
}

/// Ends the program if `error`, as the pthread functions return it, is not 0.
static inline void check_error(int error, const char *what)
{
    if (error != 0)
        fail("%s: %s", what, strerror(error));
}

static inline void *allocate_zeroed(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL)
        fail("out of memory");
    return memory;
}

static inline double now_seconds(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_MONOTONIC, &now), "clock_gettime");
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline void sleep_microseconds(long microseconds)
{
    struct timespec left = {
        .tv_sec = microseconds / 1000000,
        .tv_nsec = microseconds % 1000000 * 1000,
    };
    while (nanosleep(&left, &left) != 0) {
        if (errno != EINTR)
            fail("nanosleep: %s", strerror(errno));
    }
}

/// Reads the number of an option and ends the program if it is none or out of range.
static inline long parse_number(const char *option, const char *text, long least, long most)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most)
        fail("%s takes a number from %ld to %ld, not '%s'", option, least, most, text);
    return value;
}

/// Pins the calling thread to the CPU of this number.
static inline void pin_to_cpu(int cpu)
{
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    check(sched_setaffinity(0, sizeof only, &only), "sched_setaffinity");
}

/// The number of the CPU that worker `index` is pinned to: the allowed ones in turn.
static inline int allowed_cpu(unsigned index)
{
    cpu_set_t allowed;
    check(sched_getaffinity(0, sizeof allowed, &allowed), "sched_getaffinity");
    unsigned left = index % (unsigned)CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && left-- == 0)
            return cpu;
    }
    fail("no CPU is allowed");
}

#endif
