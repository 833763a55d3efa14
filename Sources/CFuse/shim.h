// libfuse 3, low-level interface, as of the version of Debian 12.
#ifndef RAINBOWFS_CFUSE_H
#define RAINBOWFS_CFUSE_H
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#endif
