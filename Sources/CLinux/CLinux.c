#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

int tensorhub_lock(int file, int wait) {
    return flock(file, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
}

int tensorhub_open_part_by_part(const char *path, int flags, unsigned mode) {
    int folder = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (folder >= 0) {
        while (*path == '/') path++;
        size_t length = strcspn(path, "/");
        bool is_last = path[length + strspn(path + length, "/")] == 0;
        char part[256];
        if (length >= sizeof part) {
            close(folder);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(part, length > 0 ? path : ".", length > 0 ? length : 1);
        part[length > 0 ? length : 1] = 0;
        int next = is_last ? openat(folder, part, flags | O_NOFOLLOW, mode)
                           : openat(folder, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        close(folder);
        errno = error;
        if (is_last) return next;
        folder = next;
        path += length;
    }
    return -1;
}

int tensorhub_open_without_links(const char *path, int flags, unsigned mode) {
    struct open_how how = {
        .flags = (unsigned)flags, .mode = flags & O_CREAT ? mode : 0, .resolve = RESOLVE_NO_SYMLINKS
    };
    int file = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    // Linux before 5.6 does not know the call, and some containers refuse what they do not know.
    if (file >= 0 || (errno != ENOSYS && errno != EPERM)) return file;
    return tensorhub_open_part_by_part(path, flags, mode);
}
