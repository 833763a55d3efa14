// libfuse 3, low-level interface, as of the version of Debian 12, and the kernel's own protocol
// for the flags that this libfuse has no field for.
#ifndef RAINBOWFS_CFUSE_H
#define RAINBOWFS_CFUSE_H
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <malloc.h>
#include <unistd.h>

/// fork(2), which Swift hides because threads do not survive it. A mount forks before it has any.
static inline pid_t rainbow_fork(void) {
    return fork();
}

extern int close_range(unsigned int first, unsigned int last, int flags);

/// Closes every descriptor from `first` to `last`.
static inline int rainbow_close_range(unsigned int first, unsigned int last) {
    return close_range(first, last, 0);
}

extern int unshare(int flags);
extern pid_t gettid(void);

/// The number that the kernel has for the calling thread.
static inline pid_t rainbow_thread_id(void) {
    return gettid();
}

/// Gives the calling thread a table of open files of its own, a copy.
static inline int rainbow_unshare_files(void) {
    return unshare(0x400 /* CLONE_FILES */);
}

#endif
