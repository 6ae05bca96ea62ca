// Linux calls that Glibc's Swift module does not carry, because they are variadic or too new.
#ifndef CLINUX_H
#define CLINUX_H

#include <sys/syscall.h>
#include <unistd.h>

/// A descriptor that becomes readable when the process ends; -1 and errno otherwise (pidfd_open(2)).
static inline int tensorhub_pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

#endif
