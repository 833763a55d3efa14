// Linux calls and constants that Swift's Glibc module does not carry (they need _GNU_SOURCE).
// The numbers are the kernel's ABI.
#ifndef RAINBOWFS_CLINUX_H
#define RAINBOWFS_CLINUX_H

#include <stdint.h>
#include <sys/types.h>

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

/// The spin-wait hint of the processor.
static inline void rainbow_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

#endif
