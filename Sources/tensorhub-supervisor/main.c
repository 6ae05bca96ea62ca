// tensorhub-supervisor: starts one attempt's script, keeps its output, and sees to it that nothing of it stays behind.
// The daemon that started us may die or be replaced meanwhile; everything it needs to know afterwards is in journal/.
#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: tensorhub-supervisor [options] ATTEMPT_DIRECTORY -- PROGRAM [ARGUMENT...]\n"
    "\n"
    "Runs PROGRAM in ATTEMPT_DIRECTORY/work with this process's environment, in a session of its own, and writes to\n"
    "ATTEMPT_DIRECTORY/journal: pids.json before it starts, output.log while it runs, exit.json at its end.\n"
    "\n"
    "  --output-limit BYTES   kept of the output, the middle is given up first; the daemon says how many\n"
    "  --output-head BYTES    of these, from the beginning of the output; the same\n"
    "  --grace SECONDS        from SIGTERM to SIGKILL when the script is stopped (default 0)\n"
    "  --timeout SECONDS      stop the script after this time (default: never)\n"
    "  --stall SECONDS        stop the script when it has printed nothing for this time (default: never)\n"
    "  --open-files NUMBER    the script's soft limit of open files (default: this process's)\n"
    "  --cwd FOLDER           where PROGRAM begins (default: ATTEMPT_DIRECTORY/work)\n"
    "\n"
    "The attempt ends when PROGRAM ends; whatever it left running is killed.\n"
    "SIGTERM: stop the script; a second one, or SIGQUIT: kill it now. Both from the daemon, pid 1 or another user's root\n"
    "process; anybody else's are ignored. SIGKILL: the script dies too.\n"
    "Exit status: 0 exit.json is written, 64 usage, 71 could not begin, 74 exit.json could not be written, 75 journal/ is lost.\n";

// How long processes may take to die of SIGKILL; longer means that the kernel holds them (a hung disk or GPU).
static const double kill_patience = 10;

struct options {
    int64_t output_limit, output_head;
    double grace, timeout, stall;  // timeout, stall 0: none
    int64_t open_files;            // 0: as they are
    const char *directory;
    const char *cwd;  // NULL: work/
    char **program;
};

// How long after a script that died of SIGTERM ours may come, where the machine goes down and everybody gets one.
static const double late_order = 0.25;

struct supervisor {
    struct options options;
    pid_t starter;  // our parent at the start: the daemon
    int directory, journal, signals, reserved;
    int pipe;  // read end of the script's output; -1 after its end
    struct output output;
    struct tree tree;
    double started;
    double deadline;      // when the next step of stopping is due; 0: none
    double heard;         // when the script last printed something, or was started
    int64_t oom_kills;    // by the kernel on this machine before the start; -1: it does not say
    int stop_requests;    // SIGTERMs so far
    bool terminated;      // the script has had its SIGTERM
    bool killed;          // everything has had its SIGKILL
    const char *stopped;  // why
};

// Filled at most 64 KiB at a time: all the memory that output costs.
static char buffer[64 * 1024];

double now_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void refuse(const char *problem, const char *value) {
    fprintf(stderr, "tensorhub-supervisor: %s%s%s\n", problem, value ? ": " : "", value ? value : "");
    exit(STATUS_USAGE);
}

static double parse_number(const char *name, const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != 0 || !(value >= 0)) refuse(name, text);
    return fmin(value, 1e15);
}

static struct options parse_options(int argc, char **argv) {
    static const struct option names[] = {
        {"output-limit", required_argument, NULL, 'l'}, {"output-head", required_argument, NULL, 'b'},
        {"grace", required_argument, NULL, 'g'},        {"timeout", required_argument, NULL, 't'},
        {"stall", required_argument, NULL, 's'},        {"open-files", required_argument, NULL, 'f'},
        {"cwd", required_argument, NULL, 'c'},          {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    // A daemon that was started before an upgrade says less: no head, and a limit only where it is another than 64 MiB.
    struct options options = {.output_limit = 64 * MIB, .output_head = MIB};
    // "+": the first argument that is not an option ends ours, so the script's own are left alone.
    for (int option; (option = getopt_long(argc, argv, "+", names, NULL)) != -1;) {
        switch (option) {
            case 'l': options.output_limit = (int64_t)parse_number("--output-limit is not a number", optarg); break;
            case 'b': options.output_head = (int64_t)parse_number("--output-head is not a number", optarg); break;
            case 'g': options.grace = parse_number("--grace is not a number of seconds", optarg); break;
            case 't': options.timeout = parse_number("--timeout is not a number of seconds", optarg); break;
            case 's': options.stall = parse_number("--stall is not a number of seconds", optarg); break;
            case 'f': options.open_files = (int64_t)parse_number("--open-files is not a number", optarg); break;
            case 'c': options.cwd = optarg; break;
            case 'h': fputs(usage, stdout); exit(STATUS_DONE);
            default: exit(STATUS_USAGE);
        }
    }
    if (argc - optind < 3 || strcmp(argv[optind + 1], "--") != 0) {
        fputs(usage, stderr);
        exit(STATUS_USAGE);
    }
    options.directory = argv[optind];
    options.program = argv + optind + 2;
    return options;
}

static void give_up(const char *what) {
    fprintf(stderr, "tensorhub-supervisor: %s: %s\n", what, strerror(errno));
    exit(STATUS_NO_SYSTEM_RESOURCE);
}

// Nothing that our parent had open may reach the script; 0, 1 and 2 are never given to anything else.
static void settle_descriptors(void) {
    if (syscall(SYS_close_range, 3U, ~0U, 0U) < 0) {
        for (int file = 3; file < 1024; file++) close(file);
    }
    int file;
    do {
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (file >= 0 && file < 3);
    if (file > 2) close(file);
}

// All signals wait in the signalfd or for ever: only SIGKILL can interrupt us.
static int take_signals(void) {
    sigset_t all, wanted;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGQUIT);
    // An ignored SIGCHLD, inherited, would reap our children without us.
    signal(SIGCHLD, SIG_DFL);
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void kill_script(struct supervisor *self) {
    tree_kill(&self->tree, self->signals, kill_patience);
    self->killed = true;
}

// The first step of stopping; the second one is due when the grace period is over.
static void terminate_script(struct supervisor *self, const char *reason) {
    self->stopped = reason;
    self->terminated = true;
    self->deadline = now_seconds() + self->options.grace;
    tree_signal(&self->tree, SIGTERM);
    tree_signal(&self->tree, SIGCONT);  // a stopped process would not see SIGTERM
}

static void stop_by_limit(struct supervisor *self, const char *reason) {
    journal_write_new(self->journal, "stop-reason", reason);
    terminate_script(self, reason);
}

// When the next limit is passed or the next step of stopping is due; 0: never.
static double next_deadline(const struct supervisor *self) {
    if (self->terminated || self->options.stall == 0) return self->deadline;
    double silence = self->heard + self->options.stall;
    return self->deadline == 0 || silence < self->deadline ? silence : self->deadline;
}

static void take_deadline(struct supervisor *self) {
    double now = now_seconds();
    if (self->tree.leader_ended) return;
    if (self->deadline != 0 && now >= self->deadline) {
        if (self->terminated) kill_script(self);
        else stop_by_limit(self, "timeout");
    } else if (!self->terminated && self->options.stall != 0 && now >= self->heard + self->options.stall) {
        stop_by_limit(self, "stall");
    }
}

static bool has_failed(const struct tree *tree) {
    if (!WIFEXITED(tree->leader_status)) return true;
    int status = WEXITSTATUS(tree->leader_status);
    return status != 0 && status != 85;  // 85: it has stored a checkpoint
}

static void take_signal(struct supervisor *self, const struct signalfd_siginfo *signal) {
    if (signal->ssi_signo == SIGCHLD) return;  // the dead are collected after all signals were read
    enum sender sender = signal_sender(signal, self->starter, self->directory);
    if (sender == SENDER_STRANGER) return;
    // A machine that goes down ends the script beside us: that is a stop, even if the script was the first to hear it.
    if (self->tree.leader_ended && (sender != SENDER_SYSTEM || !has_failed(&self->tree))) return;
    // No daemon has said why; to the script it is the same as if one had.
    if (sender == SENDER_SYSTEM) journal_write_new(self->journal, "stop-reason", "drain");
    bool now = signal->ssi_signo == SIGQUIT || ++self->stop_requests > 1;
    if (!self->terminated) self->stopped = "request";
    if (self->tree.leader_ended) return;
    if (now) kill_script(self);
    else if (!self->terminated) terminate_script(self, "request");
}

static void read_signals(struct supervisor *self) {
    struct signalfd_siginfo signals[8];
    ssize_t count = read(self->signals, signals, sizeof signals);
    // The dead first: a script that has ended by itself was not stopped by a request that came in together with its
    // end.
    tree_reap(&self->tree);
    for (ssize_t i = 0; i < count / (ssize_t)sizeof signals[0]; i++) take_signal(self, &signals[i]);
}

// Reads once from the pipe. Returns whether there may be more.
static bool read_output(struct supervisor *self, size_t limit) {
    ssize_t count = read(self->pipe, buffer, limit < sizeof buffer ? limit : sizeof buffer);
    if (count > 0) {
        if (self->options.stall != 0) self->heard = now_seconds();
        output_append(&self->output, buffer, (size_t)count);
        return true;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(self->pipe);
        self->pipe = -1;
    }
    return false;
}

// Takes what is in the pipe now, but not what a process that nobody can kill might still put there.
static void drain_output(struct supervisor *self) {
    int waiting = 0;
    if (self->pipe < 0 || ioctl(self->pipe, FIONREAD, &waiting) < 0) return;
    while (waiting > 0) {
        int64_t before = self->output.total;
        if (!read_output(self, (size_t)waiting)) return;
        waiting -= (int)(self->output.total - before);
    }
}

static int milliseconds_to_deadline(const struct supervisor *self) {
    double deadline = next_deadline(self);
    if (deadline == 0) return -1;
    double left = (deadline - now_seconds()) * 1000;
    return left < 0 ? 0 : left > 1e6 ? 1000000 : (int)left + 1;
}

// Lets go of the pages of code that only the start needed, so that a script that runs for days costs little memory.
static void shed_code(void) {
    extern char __executable_start[], etext[];
    madvise(__executable_start, (size_t)(etext - __executable_start), MADV_DONTNEED);
}

// A script that lives longer than this is a long one.
enum { SHED_AFTER_MILLISECONDS = 1000 };

static void run_until_leader_ends(struct supervisor *self) {
    bool has_shed = false;
    while (!self->tree.leader_ended && !self->killed) {
        struct pollfd files[2] = {{.fd = self->signals, .events = POLLIN}, {.fd = self->pipe, .events = POLLIN}};
        int timeout = milliseconds_to_deadline(self);
        if (!has_shed && (timeout < 0 || timeout > SHED_AFTER_MILLISECONDS)) timeout = SHED_AFTER_MILLISECONDS;
        int ready = poll(files, 2, timeout);
        if (!has_shed && now_seconds() - self->started > SHED_AFTER_MILLISECONDS / 1e3) {
            shed_code();
            has_shed = true;
        }
        if (ready > 0 && files[0].revents != 0) read_signals(self);
        if (ready > 0 && files[1].revents != 0) read_output(self, sizeof buffer);
        take_deadline(self);
    }
}

// Whether the machine is short of something. Anything else that a call in the journal says is the script's doing.
static bool is_shortage(int error) {
    return error == ENOSPC || error == EDQUOT || error == EIO || error == EROFS || error == ENOMEM || error == EMFILE
        || error == ENFILE;
}

// Takes what has come together with the end of a script that failed, or is just coming.
static void hear_last_orders(struct supervisor *self) {
    if (self->stopped != NULL || !self->tree.leader_ended || !has_failed(&self->tree)) return;
    bool was_terminated = WIFSIGNALED(self->tree.leader_status) && WTERMSIG(self->tree.leader_status) == SIGTERM;
    double deadline = now_seconds() + (was_terminated ? late_order : 0);
    double left;
    do {
        left = deadline - now_seconds();
        struct pollfd file = {.fd = self->signals, .events = POLLIN};
        if (poll(&file, 1, left > 0 ? (int)(left * 1000) + 1 : 0) > 0) read_signals(self);
    } while (left > 0 && self->stopped == NULL);
}

static int finish(struct supervisor *self, int start_error) {
    double duration = now_seconds() - self->started;
    if (start_error == 0) hear_last_orders(self);
    // Killed, and not by us: the kernel does that when memory is short, and counts it.
    bool was_killed = self->tree.leader_ended && WIFSIGNALED(self->tree.leader_status)
        && WTERMSIG(self->tree.leader_status) == SIGKILL && !self->killed;
    bool out_of_memory = was_killed && self->oom_kills >= 0 && oom_kills() > self->oom_kills;
    if (!self->tree.empty && !self->killed) kill_script(self);
    drain_output(self);
    journal_sync_result(self->journal);
    struct ending ending = {
        &self->tree, &self->output, start_error, duration, self->stopped, out_of_memory, self->reserved,
    };
    int error = journal_write_exit(self->journal, &ending);
    if (error == 0) return STATUS_DONE;
    return is_shortage(error) ? STATUS_NOT_WRITTEN : STATUS_JOURNAL_LOST;
}

int main(int argc, char **argv) {
    struct supervisor self = {.options = parse_options(argc, argv), .starter = getppid()};
    settle_descriptors();
    self.directory = open(self.options.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self.directory < 0) give_up(self.options.directory);
    self.journal = openat(self.directory, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (self.journal < 0) give_up("journal");
    // Held as long as we live, so that a runner can tell whether anybody is at work here. A runner that has given the
    // attempt up before we came this far has removed claim.json.
    if (flock(self.journal, LOCK_EX | LOCK_NB) < 0) give_up("another supervisor");
    if (faccessat(self.journal, "claim.json", F_OK, 0) < 0) give_up("claim.json");
    errno = output_open(&self.output, self.journal, self.options.output_limit, self.options.output_head);
    if (errno != 0) give_up("output.log");
    self.reserved = journal_reserve_exit(self.journal);
    if (self.reserved < 0) give_up("exit.json");
    self.signals = take_signals();
    int ends[2];
    if (self.signals < 0 || pipe2(ends, O_CLOEXEC) < 0) give_up("descriptors");
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) give_up("pipe");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) give_up("sub-reaper");

    self.pipe = ends[0];
    self.oom_kills = oom_kills();
    self.started = self.heard = now_seconds();
    struct script script = script_start(&(struct launch){
        self.options.program, self.directory, self.journal, ends[1], self.options.open_files,
        self.options.cwd,
    });
    if (script.pid < 0) {
        errno = script.error;
        give_up("fork");
    }
    close(ends[1]);
    self.tree.leader = script.pid;
    if (self.options.timeout > 0) self.deadline = self.started + self.options.timeout;
    run_until_leader_ends(&self);
    return finish(&self, script.error);
}
