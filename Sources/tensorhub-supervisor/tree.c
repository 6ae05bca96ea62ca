// The process tree. We are a sub-reaper: whoever loses its parent becomes our child. So killing our children again and
// again, until there are none, kills the whole tree however it forked, and never a stranger: a child's pid cannot be
// given to another process before we have reaped it.
#define _GNU_SOURCE
#include "supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

void tree_reap(struct tree *tree) {
    int status;
    struct rusage usage;
    for (;;) {
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) {
            tree->empty = pid < 0;
            return;
        }
        if (pid == tree->leader) {
            tree->leader_ended = true;
            tree->leader_status = status;
        }
        if (usage.ru_maxrss > tree->peak_memory) tree->peak_memory = usage.ru_maxrss;
        tree->user_time += (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
        tree->system_time += (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    }
}

// Reads a small file of /proc. Returns its length, -1 when it is gone.
static ssize_t read_small(const char *path, char *buffer, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t count = read(file, buffer, size - 1);
    close(file);
    if (count >= 0) buffer[count] = 0;
    return count;
}

int64_t oom_kills(void) {
    char text[16 * 1024];
    if (read_small("/proc/vmstat", text, sizeof text) <= 0) return -1;
    long long count;
    const char *line = strstr(text, "\noom_kill ");
    return line != NULL && sscanf(line, "\noom_kill %lld", &count) == 1 ? count : -1;
}

struct process {
    pid_t pid, parent, group, session;
    unsigned long long start;
};

static bool read_process(pid_t pid, struct process *process) {
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (read_small(path, text, sizeof text) <= 0) return false;
    // The name is in parentheses and may hold anything, parentheses and blanks too: the fields begin after the last
    // one.
    char *fields = strrchr(text, ')');
    process->pid = pid;
    return fields != NULL
        && sscanf(
               fields + 1, " %*c %d %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
               &process->parent, &process->group, &process->session, &process->start
           ) == 4;
}

unsigned long long process_start(pid_t pid) {
    struct process process;
    return read_process(pid, &process) ? process.start : 0;
}

pid_t process_parent(pid_t pid) {
    struct process process;
    return read_process(pid, &process) ? process.parent : -1;
}

typedef bool visitor(const struct process *process, void *context);

// Calls `visit` for every process of the machine until it returns false.
static void each_process(visitor *visit, void *context) {
    DIR *proc = opendir("/proc");
    if (proc == NULL) return;
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        struct process process;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && read_process(pid, &process) && !visit(&process, context)) break;
    }
    closedir(proc);
}

struct found {
    pid_t *pids;
    int count, room;
};

static bool find_child(const struct process *process, void *context) {
    struct found *found = context;
    if (process->parent == getpid()) found->pids[found->count++] = process->pid;
    return found->count < found->room;
}

int tree_children(pid_t *pids, int count) {
    // The kernel's own list, where it keeps one, saves the walk over all processes. A child that ends while we read may
    // hide another one; callers ask again.
    char text[4096];
    struct found found = {.pids = pids, .room = count};
    if (read_small("/proc/thread-self/children", text, sizeof text) < 0) {
        each_process(find_child, &found);
        return found.count;
    }
    char *rest = text, *end;
    while (found.count < count) {
        pid_t pid = (pid_t)strtol(rest, &end, 10);
        if (end == rest || *end == 0) break;  // a number that the buffer cut off is not a pid
        pids[found.count++] = pid;
        rest = end;
    }
    return found.count;
}

struct session_signal {
    pid_t session;
    int signal;
};

static bool signal_session(const struct process *process, void *context) {
    const struct session_signal *wanted = context;
    // The group itself has had its signal. The session's number is ours as long as its leader is not reaped.
    if (process->session == wanted->session && process->group != wanted->session) kill(process->pid, wanted->signal);
    return true;
}

void tree_signal(const struct tree *tree, int signal) {
    kill(-tree->leader, signal);
    struct session_signal wanted = {tree->leader, signal};
    each_process(signal_session, &wanted);
}

void tree_kill(struct tree *tree, int signals, double patience) {
    double deadline = now_seconds() + patience;
    for (;;) {
        tree_reap(tree);
        if (tree->empty || now_seconds() > deadline) return;

        pid_t pids[512];
        int count = tree_children(pids, 512);
        for (int i = 0; i < count; i++) kill(pids[i], SIGKILL);

        // The next death wakes us. Not for longer than 20 ms, because several deaths may share one signal.
        struct pollfd wait = {.fd = signals, .events = POLLIN};
        struct signalfd_siginfo ignored[8];
        if (poll(&wait, 1, 20) > 0 && read(signals, ignored, sizeof ignored) < 0 && errno != EAGAIN) return;
    }
}
