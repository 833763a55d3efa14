// Linux calls and constants that Swift's Glibc module does not carry (they need _GNU_SOURCE).
// The numbers are the kernel's ABI.
#ifndef RAINBOWFS_CLINUX_H
#define RAINBOWFS_CLINUX_H

#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

extern long syscall(long number, ...);

/// A system call with whatever numbers, for tests.
static inline long rainbow_system_call(
    long number, long first, long second, long third, long fourth, long fifth, long sixth) {
    return syscall(number, first, second, third, fourth, fifth, sixth);
}

extern int fallocate(int fd, int mode, off_t offset, off_t length);

static const int rainbow_fallocate_keep_size = 0x01;
static const int rainbow_fallocate_punch_hole = 0x02;

/// Open-file-description locks: they belong to the open file, not to the process.
static const int rainbow_ofd_getlk = 36;
static const int rainbow_ofd_setlk = 37;
static const int rainbow_ofd_setlkw = 38;

/// flock(2), whose name Swift knows as that of a struct.
extern int rainbow_flock(int fd, int operation) __asm__("flock");
static const int rainbow_flock_exclusive = 2;
static const int rainbow_flock_unlock = 8;

static const int rainbow_map_noreserve = 0x4000;
static const int rainbow_map_fixed_noreplace = 0x100000;
static const int rainbow_madvise_populate_write = 23;

extern ssize_t rainbow_getxattr(
    const char *path, const char *name, void *value, size_t size) __asm__("getxattr");
extern int rainbow_sched_setaffinity(
    pid_t pid, size_t size, const unsigned long *mask) __asm__("sched_setaffinity");

/// The folder that a process starts in, by descriptor.
extern int rainbow_spawn_in_folder(
    posix_spawn_file_actions_t *actions,
    int folder) __asm__("posix_spawn_file_actions_addfchdir_np");

/// Closes all descriptors from `first` on in the process that is started.
extern int rainbow_spawn_close_from(
    posix_spawn_file_actions_t *actions,
    int first) __asm__("posix_spawn_file_actions_addclosefrom_np");

extern const char *rainbow_error_name(int error) __asm__("strerrorname_np");
/// `semaphore` is a `sem_t *`.
extern int rainbow_semaphore_wait(
    void *semaphore, clockid_t clock, const struct timespec *until) __asm__("sem_clockwait");
extern int rainbow_pipe2(int ends[2], int flags) __asm__("pipe2");
/// Copies what a pipe holds into another one without taking it.
extern ssize_t rainbow_tee(int from, int to, size_t size, unsigned flags) __asm__("tee");

static const unsigned rainbow_splice_nonblock = 0x02;
static const int rainbow_set_pipe_size = 1031;
static const int rainbow_open_path = 010000000;
static const int rainbow_open_unnamed = 020200000;
/// The origin of a signal that the kernel sent by itself, as the terminal's driver does.
static const int rainbow_signal_from_kernel = 0x80;

/// Whether the process ignores a signal, as nohup(1) arranges it.
static inline int rainbow_ignores_signal(int signal) {
    struct sigaction action;
    return sigaction(signal, 0, &action) == 0 && action.sa_handler == SIG_IGN;
}

static inline void rainbow_reset_signal(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, 0);
}

/// A descriptor that can be read when the process has ended.
static inline int rainbow_open_process(pid_t process) {
    return (int)syscall(SYS_pidfd_open, process, 0);
}

/// The spin-wait hint of the processor.
static inline void rainbow_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Keeps the compiler from moving accesses to memory across this point; the processor may.
static inline void rainbow_compiler_fence(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

static const int rainbow_barrier_register = 1 << 2 /* MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED */;
static const int rainbow_barrier_now = 1 << 1 /* MEMBARRIER_CMD_GLOBAL_EXPEDITED */;

/// A full memory barrier of all running threads of the processes that have registered for it.
static inline int rainbow_barrier(int command) { return (int)syscall(SYS_membarrier, command, 0, 0); }

/// Sleeps while the 32-bit word at `word` is `expected`, `nanoseconds` at most, or until it is woken.
static inline void rainbow_futex_wait(void *word, uint32_t expected, int64_t nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    syscall(SYS_futex, word, 0 /* FUTEX_WAIT, shared */, expected, &limit, 0, 0);
}

/// Wakes all who sleep on the word.
static inline void rainbow_futex_wake(void *word) {
    syscall(SYS_futex, word, 1 /* FUTEX_WAKE, shared */, 0x7fffffff, 0, 0, 0);
}

#endif
