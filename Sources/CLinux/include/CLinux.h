// Linux calls that Glibc's Swift module does not carry, because they are variadic or too new.
#ifndef CLINUX_H
#define CLINUX_H

#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/// POSIX_SPAWN_SETSID: the new process leads a session of its own. Glibc declares it for _GNU_SOURCE alone.
enum { TENSORHUB_SPAWN_SETSID = 0x80 };

/// O_PATH: a descriptor that names a file or folder without any right to what is in it. Glibc declares it for
/// _GNU_SOURCE alone.
enum { TENSORHUB_O_PATH = 010000000 };

/// A descriptor that becomes readable when the process ends; -1 and errno otherwise (pidfd_open(2)).
static inline int tensorhub_pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/// Sends a signal to the process behind the descriptor, never to one that was given its number later.
static inline int tensorhub_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

/// Has the system send the signal when the thread that has started this process ends (PR_SET_PDEATHSIG).
static inline int tensorhub_signal_parents_end(int signal) {
    return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0);
}

/// Copies up to so many bytes from where one file stands to where the other does, within the kernel; how many it were,
/// 0 at the end, -1 and errno otherwise (copy_file_range(2)). Glibc declares it for _GNU_SOURCE alone.
static inline ssize_t tensorhub_copy_file_range(int from, int to, size_t count) {
    return (ssize_t)syscall(SYS_copy_file_range, from, NULL, to, NULL, count, 0);
}

/// Locks the open file for itself, or the call waits when `wait` says so; 0 when it has it (flock(2)). In Swift the
/// name means the structure.
int tensorhub_lock(int file, int wait);

/// Opens a file whose path leads through no symbolic link, and is none itself; -1 and ELOOP or ENOTDIR otherwise
/// (openat2(2)). In a path below a folder that scripts can write to, any part may have become one.
int tensorhub_open_without_links(const char *path, int flags, unsigned mode);

/// The same for a kernel without openat2: one part of the path after the other.
int tensorhub_open_part_by_part(const char *path, int flags, unsigned mode);

#endif
