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
#include <unistd.h>

static void reset_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// Runs in the child. Returns only when the script cannot start.
__attribute__((noinline)) static int become_script(
    char **argv, int attempt_directory, int journal, int output, pid_t supervisor
) {
    if (setsid() < 0) return errno;
    // The script dies with its supervisor; the check afterwards is for one that died before the call.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return errno;
    if (getppid() != supervisor) _exit(127);

    if (fchdir(attempt_directory) < 0 || chdir("work") < 0) return errno;
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) return errno;

    int error = journal_write_pids(journal, supervisor, getpid());
    if (error != 0) return error;
    reset_signals();
    execvp(argv[0], argv);
    return errno;
}

struct script script_start(char **argv, int attempt_directory, int journal, int output) {
    volatile int error = 0;
    pid_t supervisor = getpid();
    pid_t pid = vfork();
    if (pid == 0) {
        error = become_script(argv, attempt_directory, journal, output, supervisor);
        _exit(127);
    }
    if (pid < 0) return (struct script){.pid = -1, .error = errno};
    return (struct script){.pid = pid, .error = error};
}
