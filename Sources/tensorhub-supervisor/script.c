// Starting the script.
//
// vfork, because the child then runs in our memory while we wait: it can write pids.json with its own pid before exec,
// and leave the errno of a failed exec in a variable, where fork would need two pipes for that. It is also faster.
#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

// Only what is blocked: we catch no signal, and ignore none, unless whoever started us did. The runner does not.
static void unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// Runs in the child. Returns only when the script cannot start.
__attribute__((noinline)) static int become_script(const struct launch *launch, pid_t supervisor) {
    if (setsid() < 0) return errno;
    // The script dies with its supervisor; the check afterwards is for one that died before the call.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return errno;
    if (getppid() != supervisor) _exit(127);

    struct rlimit files;
    if (launch->open_files > 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = (rlim_t)launch->open_files < files.rlim_max ? (rlim_t)launch->open_files : files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0) return errno;
    }

    if (fchdir(launch->attempt_directory) < 0 || chdir("work") < 0) return errno;
    if (launch->folder != NULL && chdir(launch->folder) < 0) return errno;
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0 || dup2(input, 0) < 0 || dup2(launch->output, 1) < 0 || dup2(launch->output, 2) < 0) return errno;

    int error = journal_write_pids(launch->journal, supervisor, getpid());
    if (error != 0) return error;
    unblock_signals();
    execvp(launch->argv[0], launch->argv);
    return errno;
}

struct script script_start(const struct launch *launch) {
    volatile int error = 0;
    pid_t supervisor = getpid();
    pid_t pid = vfork();
    if (pid == 0) {
        error = become_script(launch, supervisor);
        _exit(127);
    }
    if (pid < 0) return (struct script){.pid = -1, .error = errno};
    return (struct script){.pid = pid, .error = error};
}
