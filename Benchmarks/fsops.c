// Measures one operation on files of any mounted file system: how many a second, by how many
// threads. It prints one line of JSON.
//
// Every path is opened relative to its open parent directory, so that how deep a file lies in
// its tree does not count. Thread i uses path i, modulo the number of paths, and the offset
// i * --stride, so that two threads on one file work on different bytes unless --stride 0.

#include "Peers/measure.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PATH_BYTES = 4096, TRANSFER_BYTES_MAX = 1 << 20 };

struct options {
    const char *operation;
    size_t bytes;
    off_t stride;
    unsigned threads;
    long milliseconds;
    unsigned cpus_count; ///< 0: threads run where the kernel puts them
    int cpus[WORKERS_MAX];
    char **paths;
    unsigned paths_count;
};

/// What a thread works on. `file` is open for pread and pwrite only.
struct target {
    int parent;
    char name[PATH_BYTES];
    int file;
    void *buffer;
    size_t bytes;
    off_t offset;
    unsigned long entries_in_last_listing;
};

/// Does the operation once; negative and errno if it failed.
typedef int (*operation_function)(struct target *target);

struct thread {
    alignas(CACHE_LINE_BYTES) const struct options *options;
    operation_function function;
    unsigned index;
    pthread_t handle;
    uint64_t operations;
    double seconds;
    unsigned long entries;
};

static atomic_uint ready;
static atomic_bool go;
static atomic_bool stop;

static int short_transfer(ssize_t done, const struct target *target)
{
    if (done < 0)
        return -1;
    if ((size_t)done == target->bytes)
        return 0;
    errno = EIO;
    return -1;
}

static int do_pread(struct target *target)
{
    return short_transfer(pread(target->file, target->buffer, target->bytes, target->offset),
                          target);
}

static int do_pwrite(struct target *target)
{
    return short_transfer(pwrite(target->file, target->buffer, target->bytes, target->offset),
                          target);
}

static int do_stat(struct target *target)
{
    struct stat attributes;
    return fstatat(target->parent, target->name, &attributes, AT_SYMLINK_NOFOLLOW);
}

static int do_open(struct target *target)
{
    int file = openat(target->parent, target->name, O_RDONLY | O_CLOEXEC);
    return file < 0 ? -1 : close(file);
}

static int do_list(struct target *target)
{
    int file = openat(target->parent, target->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = file < 0 ? NULL : fdopendir(file);
    if (directory == NULL)
        return -1;
    unsigned long entries = 0;
    errno = 0;
    while (readdir(directory) != NULL)
        entries++;
    int error = errno;
    closedir(directory);
    target->entries_in_last_listing = entries;
    errno = error;
    return error != 0 ? -1 : 0;
}

static const struct {
    const char *name;
    operation_function function;
    int open_flags; ///< for the file that stays open; -1: none
} operations[] = {
    {"pread", do_pread, O_RDONLY}, {"pwrite", do_pwrite, O_WRONLY}, {"stat", do_stat, -1},
    {"open", do_open, -1},         {"list", do_list, -1},
};

enum { OPERATIONS = sizeof operations / sizeof operations[0] };

static int find_operation(const char *name)
{
    for (int i = 0; i < OPERATIONS; i++) {
        if (strcmp(operations[i].name, name) == 0)
            return i;
    }
    fail("unknown operation '%s': pread, pwrite, stat, open or list", name);
}

static struct target *open_target(const struct options *options, unsigned index)
{
    struct target *target = allocate_zeroed(1, sizeof *target);
    const char *path = options->paths[index % options->paths_count];
    const char *slash = strrchr(path, '/');
    char parent[PATH_BYTES];
    int parent_length = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    snprintf(parent, sizeof parent, "%.*s", parent_length, slash == NULL ? "." : path);
    snprintf(target->name, sizeof target->name, "%s", slash == NULL ? path : slash + 1);
    target->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(target->parent, parent);
    int flags = operations[find_operation(options->operation)].open_flags;
    target->file = -1;
    if (flags >= 0) {
        target->file = openat(target->parent, target->name, flags | O_CLOEXEC);
        check(target->file, path);
    }
    check_error(posix_memalign(&target->buffer, PAGE_BYTES, TRANSFER_BYTES_MAX), "posix_memalign");
    memset(target->buffer, 'x', TRANSFER_BYTES_MAX);
    target->bytes = options->bytes;
    target->offset = (off_t)index * options->stride;
    return target;
}

static void close_target(struct target *target)
{
    if (target->file >= 0)
        close(target->file);
    close(target->parent);
    free(target->buffer);
    free(target);
}

static void *work(void *argument)
{
    struct thread *thread = argument;
    const struct options *options = thread->options;
    if (options->cpus_count > 0)
        pin_to_cpu(options->cpus[thread->index % options->cpus_count]);
    struct target *target = open_target(options, thread->index);
    check(thread->function(target), options->operation); // once before: names are looked up
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&go))
        sleep_microseconds(50);
    double start = now_seconds();
    uint64_t done = 0;
    do {
        check(thread->function(target), options->operation);
        done++;
    } while (!atomic_load_explicit(&stop, memory_order_relaxed));
    thread->seconds = now_seconds() - start;
    thread->operations = done;
    thread->entries = target->entries_in_last_listing;
    close_target(target);
    return NULL;
}

static void parse_cpus(struct options *options, const char *text)
{
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", text);
    char *rest = copy;
    for (char *one; (one = strsep(&rest, ",")) != NULL;) {
        if (options->cpus_count == WORKERS_MAX)
            fail("--cpus takes at most %d numbers", WORKERS_MAX);
        options->cpus[options->cpus_count++] =
            (int)parse_number("--cpus", one, 0, CPU_SETSIZE - 1);
    }
}

__attribute__((noreturn)) static void usage(int status)
{
    fprintf(status == EXIT_SUCCESS ? stdout : stderr,
            "usage: fsops OPERATION [options] PATH...\n"
            "  OPERATION          pread, pwrite, stat, open (and close), list\n"
            "  --bytes N          bytes a pread or pwrite (64)\n"
            "  --threads N        threads; thread i uses path i modulo their number (1)\n"
            "  --stride N         distance between the threads' offsets (4096)\n"
            "  --milliseconds N   how long to run (1000)\n"
            "  --cpus A,B,...     thread i is pinned to CPU i of these\n");
    exit(status);
}

static struct options parse(int count, char **arguments)
{
    static const struct option known[] = {
        {"bytes", required_argument, NULL, 'b'},  {"threads", required_argument, NULL, 't'},
        {"stride", required_argument, NULL, 's'}, {"milliseconds", required_argument, NULL, 'm'},
        {"cpus", required_argument, NULL, 'c'},   {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.bytes = 64, .stride = PAGE_BYTES, .threads = 1,
                              .milliseconds = 1000};
    for (int found; (found = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (found) {
        case 'b':
            options.bytes = (size_t)parse_number("--bytes", optarg, 1, TRANSFER_BYTES_MAX);
            break;
        case 't':
            options.threads = (unsigned)parse_number("--threads", optarg, 1, WORKERS_MAX);
            break;
        case 's': options.stride = parse_number("--stride", optarg, 0, 1L << 30); break;
        case 'm':
            options.milliseconds = parse_number("--milliseconds", optarg, 1, 3600 * 1000L);
            break;
        case 'c': parse_cpus(&options, optarg); break;
        default: usage(found == 'h' ? EXIT_SUCCESS : EXIT_CANNOT_RUN);
        }
    }
    if (count - optind < 2)
        usage(EXIT_CANNOT_RUN);
    options.operation = arguments[optind];
    options.paths = arguments + optind + 1;
    options.paths_count = (unsigned)(count - optind - 1);
    return options;
}

static void report(const struct options *options, const struct thread *threads)
{
    double per_second = 0;
    for (unsigned i = 0; i < options->threads; i++)
        per_second += (double)threads[i].operations / threads[i].seconds;
    printf("{\"operation\":\"%s\",\"bytes\":%zu,\"threads\":%u,\"files\":%u,"
           "\"operations_per_second\":%.1f,\"us_per_operation\":%.3f,\"entries\":%lu}\n",
           options->operation, options->bytes, options->threads,
           options->threads < options->paths_count ? options->threads : options->paths_count,
           per_second, 1e6 * options->threads / per_second, threads[0].entries);
}

int main(int count, char **arguments)
{
    struct options options = parse(count, arguments);
    struct thread threads[WORKERS_MAX];
    int operation = find_operation(options.operation);
    for (unsigned i = 0; i < options.threads; i++) {
        threads[i] = (struct thread){
            .options = &options, .function = operations[operation].function, .index = i};
        check_error(pthread_create(&threads[i].handle, NULL, work, &threads[i]), "pthread_create");
    }
    while (atomic_load(&ready) < options.threads)
        sleep_microseconds(100);
    atomic_store(&go, true);
    sleep_microseconds(options.milliseconds * 1000);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < options.threads; i++)
        check_error(pthread_join(threads[i].handle, NULL), "pthread_join");
    report(&options, threads);
    return EXIT_SUCCESS;
}
