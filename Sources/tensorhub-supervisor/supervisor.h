// tensorhub-supervisor: owns the process tree of one attempt. main.c has the loop; each other file is one thing it
// uses.
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

enum {
    // What the supervisor itself exits with; the script's status is in exit.json.
    STATUS_DONE = 0,
    STATUS_USAGE = 64,
    STATUS_NO_SYSTEM_RESOURCE = 71,  // it could not begin: no descriptors, no memory, no processes
    STATUS_NOT_WRITTEN = 74,         // exit.json could not be written (disk full)
    STATUS_JOURNAL_LOST = 75,        // the journal folder is gone, or the script has ruined it
};

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)

// Seconds on the monotonic clock.
double now_seconds(void);

// --- output.c: the script's output on disk, its middle freed once it passes the limit ---

struct output {
    int file;            // journal/output.log; an offset in it is an offset in the script's output
    int64_t limit;       // bytes that may be kept on disk
    int64_t head;        // of these, from the beginning of the output; the rest is from its end
    int64_t total;       // bytes that the script has written
    int64_t stored;      // end of what the file holds; less than total once storing has stopped
    int64_t punched_to;  // end of the freed middle, which begins at head; 0 when nothing was freed
    int error;           // errno that stopped storing; 0 while it goes well
    bool limit_passed;   // the file may grow past the limit, because its middle can be freed
    bool limit_reached;  // it cannot: storing stopped at the limit
};

int output_open(struct output *output, int journal, int64_t limit, int64_t head);

// Takes bytes that the script wrote. Never fails: what cannot be stored is counted.
void output_append(struct output *output, const char *bytes, size_t count);

// --- script.c: starting the script ---

struct script {
    pid_t pid;  // also its session and its process group
    int error;  // errno of what kept it from starting; 0 when it runs
};

struct launch {
    char **argv;
    int attempt_directory, journal;
    int output;          // both outputs of the script
    int64_t open_files;  // the script's soft limit of descriptors; 0: ours
    const char *folder;  // where the script begins; NULL: in work/
};

// Starts argv[0]. pids.json exists before the script's first instruction.
struct script script_start(const struct launch *launch);

// --- tree.c: the processes below us ---

struct tree {
    pid_t leader;
    bool leader_ended;
    int leader_status;    // as wait4 gives it
    bool empty;           // no descendant is left
    long peak_memory;     // KiB, the largest process that ended
    double user_time;     // seconds, all that ended
    double system_time;
};

// Collects every process that has ended.
void tree_reap(struct tree *tree);

// Sends a signal to the leader's process group and to the rest of its session. Only before the leader is reaped.
void tree_signal(const struct tree *tree, int signal);

// Kills all descendants. Returns with tree->empty false when some do not die within `patience` seconds.
void tree_kill(struct tree *tree, int signals, double patience);

// Our children, at most `count`.
int tree_children(pid_t *pids, int count);

// How many processes the kernel of this machine has killed for want of memory; -1 when it does not say.
int64_t oom_kills(void);

// The start time of a process in clock ticks since boot; 0 when it is gone.
unsigned long long process_start(pid_t pid);

// The parent of a process; 0 where it is outside of our pid namespace, -1 when the process is gone.
pid_t process_parent(pid_t pid);

// --- sender.c: who sent a signal ---

enum sender {
    SENDER_STRANGER,  // the script, or anybody else who has no say
    SENDER_RUNNER,    // a daemon
    SENDER_SYSTEM,    // pid 1, somebody outside of our pid namespace, another process of root's
};

// `starter` has started us, `directory` is the attempt's.
enum sender signal_sender(const struct signalfd_siginfo *signal, pid_t starter, int directory);

// --- journal.c: files that appear whole ---

// Writes a file under a temporary name and renames it. Returns 0 or errno.
int journal_write(int journal, const char *name, const char *text, size_t count, bool sync);

// The same, but leaves a file that is there already.
void journal_write_new(int journal, const char *name, const char *text);

int journal_write_pids(int journal, pid_t supervisor, pid_t script);

struct ending {
    const struct tree *tree;
    const struct output *output;
    int start_error;         // errno of exec
    double duration;         // seconds
    const char *stopped;     // "timeout", "stall", "request" or null
    bool out_of_memory;
    int reserved;            // from journal_reserve_exit
};

// Takes room on the disk for exit.json. Returns a descriptor, or -1 and errno.
int journal_reserve_exit(int journal);

int journal_write_exit(int journal, const struct ending *ending);

// Makes the results that the script left durable.
void journal_sync_result(int journal);

#endif
