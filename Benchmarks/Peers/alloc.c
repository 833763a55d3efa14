// Allocation of small objects in C, in nanoseconds an object: glibc's calloc, and a bump
// allocator in shared memory that writes a header and zeroes the rest of 32 bytes.
//
// Each kind runs ROUNDS times; the median is printed. "fresh" memory is touched for the first
// time, so it pays the kernel for its pages; "warm" memory has been used before.

#include "measure.h"

#include <sys/mman.h>
#include <unistd.h>

enum { ROUNDS = 3, CALLOC_BYTES = 16, BUMP_BYTES = 32 };

struct object {
    uint64_t header;
    uint64_t fields[3];
};
_Static_assert(sizeof(struct object) == BUMP_BYTES, "the object has its stated size");

struct arena {
    size_t used; ///< plain: one thread allocates, as in a batch
    uint64_t padding[7];
    struct object objects[];
};

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void report(const char *name, size_t count, double seconds[ROUNDS])
{
    qsort(seconds, ROUNDS, sizeof *seconds, compare);
    printf("{\"name\":\"%s\",\"objects\":%zu,\"ns_per_object\":%.3f}\n", name, count,
           seconds[ROUNDS / 2] * 1e9 / (double)count);
}

static void measure_calloc(void **kept, size_t count)
{
    double kept_seconds[ROUNDS];
    double dropped_seconds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_seconds();
        for (size_t i = 0; i < count; i++)
            kept[i] = allocate_zeroed(1, CALLOC_BYTES);
        kept_seconds[round] = now_seconds() - start;
        for (size_t i = 0; i < count; i++)
            free(kept[i]);
        start = now_seconds();
        for (size_t i = 0; i < count; i++) {
            void *object = allocate_zeroed(1, CALLOC_BYTES);
            __asm__ volatile("" : : "r"(object) : "memory"); // keeps the pair from vanishing
            free(object);
        }
        dropped_seconds[round] = now_seconds() - start;
    }
    report("calloc-kept", count, kept_seconds);
    report("calloc-free", count, dropped_seconds);
}

static double fill(struct arena *arena, void **kept, size_t count)
{
    double start = now_seconds();
    volatile size_t *used = &arena->used;
    *used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t next = *used;
        *used = next + 1;
        struct object *object = &arena->objects[next];
        *object = (struct object){.header = 1};
        kept[i] = object;
    }
    return now_seconds() - start;
}

static void measure_bump(void **kept, size_t count)
{
    double fresh_seconds[ROUNDS];
    double warm_seconds[ROUNDS];
    size_t bytes = sizeof(struct arena) + count * sizeof(struct object);
    for (int round = 0; round < ROUNDS; round++) {
        int file = memfd_create("bump", MFD_CLOEXEC);
        check(file, "memfd_create");
        check(ftruncate(file, (off_t)bytes), "ftruncate");
        struct arena *arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (arena == MAP_FAILED)
            fail("mmap: %s", strerror(errno));
        fresh_seconds[round] = fill(arena, kept, count);
        warm_seconds[round] = fill(arena, kept, count);
        check(munmap(arena, bytes), "munmap");
        check(close(file), "close");
    }
    report("bump-fresh", count, fresh_seconds);
    report("bump-warm", count, warm_seconds);
}

int main(int count, char **arguments)
{
    if (count != 3 || strcmp(arguments[1], "--objects") != 0)
        fail("usage: %s --objects N", arguments[0]);
    size_t objects = (size_t)parse_number("--objects", arguments[2], 1, 1L << 30);
    void **kept = allocate_zeroed(objects, sizeof *kept);
    for (size_t i = 0; i < objects; i++)
        kept[i] = kept; // touched, so that the first round does not pay for the array
    measure_calloc(kept, objects);
    measure_bump(kept, objects);
    free(kept);
    return EXIT_SUCCESS;
}
