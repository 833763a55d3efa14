// Counts every allocation of the program that links it.
#ifndef RAINBOWFS_ALLOCATION_COUNT_H
#define RAINBOWFS_ALLOCATION_COUNT_H

/// Calls of malloc, calloc, realloc and their relatives since the program started.
unsigned long allocation_count(void);

/// Those of the calling thread, for tests that run beside others.
unsigned long thread_allocation_count(void);

#endif
