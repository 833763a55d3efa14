// Linux calls and constants that Swift's Glibc module does not carry (they need _GNU_SOURCE).
// The numbers are the kernel's ABI.
#ifndef RAINBOWFS_CLINUX_H
#define RAINBOWFS_CLINUX_H

#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

extern long syscall(long number, ...);

extern int fallocate(int fd, int mode, off_t offset, off_t length);

static const int rainbow_fallocate_keep_size = 0x01;
static const int rainbow_fallocate_punch_hole = 0x02;

/// Open-file-description locks: they belong to the open file, not to the process.
static const int rainbow_ofd_getlk = 36;
static const int rainbow_ofd_setlk = 37;
static const int rainbow_ofd_setlkw = 38;

static const int rainbow_map_noreserve = 0x4000;
static const int rainbow_map_fixed_noreplace = 0x100000;
static const int rainbow_madvise_populate_write = 23;

extern ssize_t rainbow_getxattr(
    const char *path, const char *name, void *value, size_t size) __asm__("getxattr");
extern int rainbow_sched_setaffinity(
    pid_t pid, size_t size, const unsigned long *mask) __asm__("sched_setaffinity");

/// The spin-wait hint of the processor.
static inline void rainbow_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

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
