// Linux calls that Swift's Glibc module lacks, for one because glibc declares them only under _GNU_SOURCE.
#pragma once
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// renameat2(2).
static inline int linux_renameat2(int from, const char *name, int to, const char *new_name, unsigned int flags) {
    return (int)syscall(SYS_renameat2, from, name, to, new_name, flags);
}

// sync_file_range(2) over the whole file: begins write-back and does not wait for it.
static inline int linux_start_write_back(int file) {
    return (int)syscall(SYS_sync_file_range, file, 0L, 0L, SYNC_FILE_RANGE_WRITE);
}

// syncfs(2): everything of the file system that holds this descriptor's file is on the disk.
static inline int linux_syncfs(int file) {
    return (int)syscall(SYS_syncfs, file);
}

// preadv2(2) with RWF_NOWAIT: EAGAIN instead of waiting for a disk.
static inline long linux_read_without_waiting(int file, void *bytes, unsigned long count, long offset) {
    struct iovec piece = {bytes, count};
    return syscall(SYS_preadv2, file, &piece, 1UL, offset, 0L, RWF_NOWAIT);
}

// openat2(2) for reading, below `folder` and through no symlink, with RESOLVE_CACHED: EAGAIN instead of waiting for a disk. -1 and
// errno like the others.
static inline int linux_open_without_waiting(int folder, const char *path) {
    struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_CACHED,
    };
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

// eventfd(2), close-on-exec.
static inline int linux_eventfd(void) { return eventfd(0, EFD_CLOEXEC); }

// Makes an eventfd readable.
static inline void linux_eventfd_signal(int file) { (void)eventfd_write(file, 1); }

// F_SETLEASE of linux/fcntl.h, which cannot be included beside glibc's own fcntl.h.
static const int linux_F_SETLEASE = 1024;
static const unsigned int linux_RENAME_NOREPLACE = RENAME_NOREPLACE;
static const unsigned int linux_RENAME_EXCHANGE = RENAME_EXCHANGE;
static const unsigned long linux_FICLONE = FICLONE;
