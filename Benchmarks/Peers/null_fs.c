// A file system in memory that does next to nothing: the floor that no file system on libfuse
// gets below. It has the two files a and b of 64 KiB, and the directory listing with 10,000
// empty files whose names are as long as those of a space's objects.
//
// Like a transactional region it uses direct I/O, lets direct writes to one file run in
// parallel, keeps names for long and attributes not at all. Nothing is locked: two writers of
// the same bytes may mix them, which a floor is allowed to do.

#define FUSE_USE_VERSION 312

#include "measure.h"

#include <fuse_lowlevel.h>
#include <sys/stat.h>

enum {
    FILE_BYTES = 64 << 10,
    FILES = 2,
    LISTED = 10000,
    NAME_BYTES = 32,
    FIRST_FILE = FUSE_ROOT_ID + 1,
    LISTING = FIRST_FILE + FILES,
    FIRST_LISTED = LISTING + 1,
    NAME_SECONDS = 3600,
};

// libfuse 3.14.0 has no field for parallel direct writes, so the reply to open is made by hand
// as the kernel reads it (struct fuse_open_out of linux/fuse.h, protocol 7.38).
enum {
    OPEN_DIRECT_IO = 1 << 0,
    OPEN_PARALLEL_DIRECT_WRITES = 1 << 6,
};

struct open_reply {
    uint64_t handle;
    uint32_t flags;
    int32_t padding;
};

static const char *const file_names[FILES] = {"a", "b"};
static char contents[FILES][FILE_BYTES];

static int is_file(fuse_ino_t inode)
{
    return inode >= FIRST_FILE && inode < FIRST_FILE + FILES;
}

static int is_directory(fuse_ino_t inode)
{
    return inode == FUSE_ROOT_ID || inode == LISTING;
}

static int exists(fuse_ino_t inode)
{
    return inode >= FUSE_ROOT_ID && inode < FIRST_LISTED + LISTED;
}

static struct stat attributes_of(fuse_ino_t inode)
{
    return (struct stat){
        .st_ino = inode,
        .st_mode = is_directory(inode) ? S_IFDIR | 0755 : S_IFREG | 0644,
        .st_nlink = is_directory(inode) ? 2 : 1,
        .st_size = is_file(inode) ? FILE_BYTES : 0,
        .st_blksize = 4096,
    };
}

static void name_listed(unsigned index, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "0x%016x.Blob", 0x1040 + index * 64);
}

/// The inode of a name in a directory, 0 if there is none.
static fuse_ino_t find(fuse_ino_t parent, const char *name)
{
    if (parent == FUSE_ROOT_ID) {
        for (unsigned i = 0; i < FILES; i++) {
            if (strcmp(name, file_names[i]) == 0)
                return FIRST_FILE + i;
        }
        return strcmp(name, "listing") == 0 ? LISTING : 0;
    }
    unsigned long address = strtoul(name, NULL, 16);
    unsigned long index = (address - 0x1040) / 64;
    char canonical[NAME_BYTES];
    if (parent != LISTING || address < 0x1040 || index >= LISTED)
        return 0;
    name_listed((unsigned)index, canonical);
    return strcmp(name, canonical) == 0 ? FIRST_LISTED + index : 0;
}

static void null_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    fuse_ino_t inode = find(parent, name);
    if (inode == 0) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    struct fuse_entry_param entry = {
        .ino = inode, .attr = attributes_of(inode), .entry_timeout = NAME_SECONDS};
    fuse_reply_entry(request, &entry);
}

static void null_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
    (void)info;
    struct stat attributes = attributes_of(inode);
    if (exists(inode))
        fuse_reply_attr(request, &attributes, 0);
    else
        fuse_reply_err(request, ENOENT);
}

static void null_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
    (void)info;
    if (is_directory(inode)) {
        fuse_reply_err(request, EISDIR);
        return;
    }
    struct open_reply reply = {.flags = OPEN_DIRECT_IO | OPEN_PARALLEL_DIRECT_WRITES};
    fuse_reply_buf(request, (const char *)&reply, sizeof reply);
}

static void null_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void)info;
    size_t length = is_file(inode) ? FILE_BYTES : 0;
    size_t start = (size_t)offset < length ? (size_t)offset : length;
    size_t count = size < length - start ? size : length - start;
    fuse_reply_buf(request, count > 0 ? &contents[inode - FIRST_FILE][start] : NULL, count);
}

static void null_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t size,
                       off_t offset, struct fuse_file_info *info)
{
    (void)info;
    if (!is_file(inode) || size > FILE_BYTES || (size_t)offset > FILE_BYTES - size) {
        fuse_reply_err(request, EFBIG);
        return;
    }
    memcpy(&contents[inode - FIRST_FILE][offset], data, size);
    fuse_reply_write(request, size);
}

/// The name and the inode of entry `index` of a directory; 0 past the end.
static fuse_ino_t entry_at(fuse_ino_t directory, off_t index, char name[NAME_BYTES])
{
    if (directory == LISTING) {
        if (index >= LISTED)
            return 0;
        name_listed((unsigned)index, name);
        return FIRST_LISTED + (fuse_ino_t)index;
    }
    if (index > FILES)
        return 0;
    snprintf(name, NAME_BYTES, "%s", index < FILES ? file_names[index] : "listing");
    return FIRST_FILE + (fuse_ino_t)index;
}

static void null_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                         struct fuse_file_info *info)
{
    (void)info;
    if (!is_directory(inode)) {
        fuse_reply_err(request, ENOTDIR);
        return;
    }
    char *buffer = malloc(size);
    if (buffer == NULL) {
        fuse_reply_err(request, ENOMEM);
        return;
    }
    size_t used = 0;
    char name[NAME_BYTES];
    for (fuse_ino_t entry; (entry = entry_at(inode, offset, name)) != 0; offset++) {
        struct stat attributes = attributes_of(entry);
        size_t needed = fuse_add_direntry(request, buffer + used, size - used, name, &attributes,
                                          offset + 1);
        if (needed > size - used)
            break;
        used += needed;
    }
    fuse_reply_buf(request, buffer, used);
    free(buffer);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = null_lookup,
    .getattr = null_getattr,
    .open = null_open,
    .read = null_read,
    .write = null_write,
    .readdir = null_readdir,
};

/// Answers requests on several threads. The configuration's default lets idle ones live on.
static int serve(struct fuse_session *session)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (config == NULL)
        fail("out of memory");
    fuse_loop_cfg_set_clone_fd(config, 0);
    int result = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    return result;
}

int main(int count, char **arguments)
{
    if (count != 2 || arguments[1][0] == '-')
        fail("usage: %s MOUNTPOINT (stays in the foreground)", arguments[0]);
    char *session_arguments[] = {arguments[0], "-o", "fsname=null_fs", NULL};
    struct fuse_args parsed = FUSE_ARGS_INIT(3, session_arguments);
    struct fuse_session *session =
        fuse_session_new(&parsed, &operations, sizeof operations, NULL);
    if (session == NULL || fuse_set_signal_handlers(session) != 0)
        fail("cannot create a FUSE session");
    if (fuse_session_mount(session, arguments[1]) != 0)
        fail("cannot mount on %s", arguments[1]);
    int result = serve(session);
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    fuse_opt_free_args(&parsed);
    return result < 0 ? EXIT_CANNOT_RUN : EXIT_SUCCESS;
}
