// Who sent a signal. Every process of our user may signal us, the script too. A script that could stop its own attempt
// so would be run again and again without its ever counting; so a stop counts where its sender has a say:
//
// - the daemon: the process that started us, as long as it is our parent; after a hand-over whoever holds the lock of a
//   runner in our state directory (`runners/<id>`, held as long as a daemon lives) and is not of our own tree. Nobody
//   of the script's gets out of that tree: we are its sub-reaper. A daemon needs no more for it than what it does
//   anyway, and an older one is recognised as well.
// - pid 1, and whoever is outside of our pid namespace, whom the kernel calls 0: that is how a machine goes down.
// - another user's process that is root's.
//
// The kernel itself fills in the sender of kill() and tgkill(); with sigqueue() one may claim to be anybody.
#define _GNU_SOURCE
#include "supervisor.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// Whether the process lives, and neither is one of our descendants nor stands below one.
static bool is_outside(pid_t pid) {
    pid_t self = getpid();
    // Where processes end while we look, a way up may lead nowhere, but not round in circles for ever.
    for (int steps = 0; steps < 1000; steps++) {
        if (pid == self) return false;
        pid_t parent = process_parent(pid);
        if (parent < 0) return false;
        if (parent == 0 || pid == 1) return true;
        pid = parent;
    }
    return false;
}

static bool has_file(DIR *folder, unsigned long long inode) {
    rewinddir(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct stat status;
        if (entry->d_name[0] != '.' && fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0
            && status.st_ino == inode) return true;
    }
    return false;
}

static bool holds_runner_lock(pid_t pid, int directory) {
    bool found = false;
    int file = openat(directory, "../../runners", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = file < 0 ? NULL : fdopendir(file);
    FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    while (folder != NULL && locks != NULL && !found && fgets(line, sizeof line, locks) != NULL) {
        int holder;
        unsigned long long inode;
        // One that waits for a lock has an arrow before the word. Device numbers differ from those of stat on some
        // systems.
        found = sscanf(line, "%*d: FLOCK %*s WRITE %d %*x:%*x:%llu", &holder, &inode) == 2 && holder == pid
            && has_file(folder, inode);
    }
    if (locks != NULL) fclose(locks);
    if (folder != NULL) closedir(folder);
    else if (file >= 0) close(file);
    return found;
}

enum sender signal_sender(const struct signalfd_siginfo *signal, pid_t starter, int directory) {
    if (signal->ssi_code != SI_USER && signal->ssi_code != SI_TKILL) return SENDER_STRANGER;
    pid_t pid = (pid_t)signal->ssi_pid;
    if (pid == starter && getppid() == starter) return SENDER_RUNNER;
    if (pid <= 1 || (signal->ssi_uid == 0 && getuid() != 0)) return SENDER_SYSTEM;
    return is_outside(pid) && holds_runner_lock(pid, directory) ? SENDER_RUNNER : SENDER_STRANGER;
}
