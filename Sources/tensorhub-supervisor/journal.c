// Files of the journal. They appear by write and rename, so that whoever reads one reads all of it.
#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Room for exit.json, taken before the script starts: how it ended is written down even if it fills the disk.
#define EXIT_RESERVED ".exit.json.reserved"

// The script runs as our user and may have taken our rights to the journal away (chmod). The folder that we hold open
// is ours in any case: they are restored. Called after a call has failed; returns whether it is worth trying again.
static bool restore_rights(int journal) {
    if (errno != EACCES) return false;
    struct stat status;
    bool is_restored = fstat(journal, &status) == 0 && (status.st_mode & S_IRWXU) != S_IRWXU
        && fchmod(journal, (status.st_mode & 07777) | S_IRWXU) == 0;
    errno = EACCES;
    return is_restored;
}

// Something that the script has put where one of our files belongs: a file goes, a folder gets another name. Links and
// named pipes are neither followed nor opened, and a file that has another name elsewhere keeps it. Returns whether the
// name is free.
static bool clear_name(int journal, const char *name) {
    if (unlinkat(journal, name, 0) == 0 || errno == ENOENT) return true;
    if (restore_rights(journal) && unlinkat(journal, name, 0) == 0) return true;
    static int moved;
    char aside[64];
    snprintf(aside, sizeof aside, ".aside.%d.%d", getpid(), ++moved);
    return renameat(journal, name, journal, aside) == 0;
}

// Makes a new file: never through a link, never into a file that is there.
static int create(int journal, const char *name) {
    for (int tries = 0;; tries++) {
        int file = openat(journal, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file >= 0 || tries == 2) return file;
        bool is_worth_it = errno == EEXIST ? clear_name(journal, name) : restore_rights(journal);
        if (!is_worth_it) return -1;
    }
}

// Gives a whole file its name. Returns 0 or errno.
static int put(int journal, const char *temporary, const char *name) {
    for (int tries = 0;; tries++) {
        if (renameat(journal, temporary, journal, name) == 0) return 0;
        int error = errno;
        bool is_folder = error == EISDIR || error == ENOTEMPTY || error == EEXIST;
        bool is_worth_it = is_folder ? clear_name(journal, name) : restore_rights(journal);
        if (tries == 2 || !is_worth_it) return error;
    }
}

// Writes all of the text and closes the file. Returns 0 or errno.
static int fill(int file, const char *text, size_t count, bool sync) {
    int error = 0;
    while (count > 0 && error == 0) {
        ssize_t written = write(file, text, count);
        if (written > 0) {
            text += written;
            count -= (size_t)written;
        } else if (errno != EINTR) {
            error = written == 0 ? ENOSPC : errno;
        }
    }
    if (error == 0 && sync && fsync(file) < 0) error = errno;
    if (close(file) < 0 && error == 0) error = errno;
    return error;
}

static int write_temporary(int journal, const char *temporary, const char *text, size_t count, bool sync) {
    int file = create(journal, temporary);
    return file < 0 ? errno : fill(file, text, count, sync);
}

int journal_write(int journal, const char *name, const char *text, size_t count, bool sync) {
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    int error = write_temporary(journal, temporary, text, count, sync);
    return error == 0 ? put(journal, temporary, name) : error;
}

void journal_write_new(int journal, const char *name, const char *text) {
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".%s.first", name);
    // What could not be written is not there: whatever has that name is the script's.
    if (write_temporary(journal, temporary, text, strlen(text), false) != 0) return;
    linkat(journal, temporary, journal, name, 0);
    unlinkat(journal, temporary, 0);
}

// JSON text of bounded length, put together piece by piece.
struct json {
    char text[2048];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void add(struct json *json, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(json->text + json->count, sizeof json->text - json->count, format, arguments);
    va_end(arguments);
    if (count > 0 && json->count + (size_t)count < sizeof json->text) json->count += (size_t)count;
}

int journal_write_pids(int journal, pid_t supervisor, pid_t script) {
    char boot[64] = "";
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t count = read(file, boot, sizeof boot - 1);
        boot[count > 0 ? count : 0] = 0;
        boot[strcspn(boot, "\n")] = 0;
        close(file);
    }
    struct json json = {.count = 0};
    add(&json, "{\"supervisor\":{\"pid\":%d,\"start\":%llu},", supervisor, process_start(supervisor));
    add(&json, "\"script\":{\"pid\":%d,\"start\":%llu},", script, process_start(script));
    // Which folder the journal is: the script may give its name to another one.
    struct stat status;
    if (fstat(journal, &status) == 0) add(&json, "\"journal\":%llu,", (unsigned long long)status.st_ino);
    add(&json, "\"boot_id\":\"%s\"}\n", boot);
    return journal_write(journal, "pids.json", json.text, json.count, false);
}

static void add_survivors(struct json *json) {
    pid_t pids[64];
    int count = tree_children(pids, 64);
    add(json, ",\"survivors\":[");
    for (int i = 0; i < count; i++) add(json, "%s%d", i > 0 ? "," : "", pids[i]);
    add(json, "]");
}

static void add_output(struct json *json, const struct output *output) {
    add(json, ",\"output_bytes\":%lld", (long long)output->total);
    if (output->punched_to > 0) {
        add(json, ",\"output_gap\":{\"from\":%lld", (long long)output->head);
        add(json, ",\"to\":%lld}", (long long)output->punched_to);
    }
    if (output->stored < output->total) {
        const char *reason = output->error != 0 ? strerror(output->error) : "the file system cannot free a file's middle";
        add(json, ",\"output_stored\":%lld,\"output_error\":\"%s\"", (long long)output->stored, reason);
    }
}

// Whether that name still leads to the open file.
static bool has_name(int journal, const char *name, int file) {
    struct stat ours, named;
    if (fstat(file, &ours) < 0) return false;
    int result = fstatat(journal, name, &named, AT_SYMLINK_NOFOLLOW);
    if (result < 0 && restore_rights(journal)) result = fstatat(journal, name, &named, AT_SYMLINK_NOFOLLOW);
    return result == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
}

int journal_write_exit(int journal, const struct ending *ending) {
    const struct tree *tree = ending->tree;
    struct json json = {.count = 0};
    add(&json, "{\"duration\":%.6f", ending->duration);
    if (ending->start_error != 0) {
        add(&json, ",\"error\":\"%s\",\"errno\":%d", strerror(ending->start_error), ending->start_error);
    } else if (!tree->leader_ended) {
        add(&json, ",\"error\":\"the script could not be killed\"");
    } else if (WIFSIGNALED(tree->leader_status)) {
        add(&json, ",\"signal\":%d", WTERMSIG(tree->leader_status));
    } else {
        add(&json, ",\"exit\":%d", WEXITSTATUS(tree->leader_status));
    }
    if (ending->out_of_memory) add(&json, ",\"out_of_memory\":true");
    if (ending->stopped != NULL) add(&json, ",\"stopped\":\"%s\"", ending->stopped);
    add(&json, ",\"peak_memory\":%lld", (long long)(tree->peak_memory * KIB));
    add(&json, ",\"user_time\":%.6f,\"system_time\":%.6f", tree->user_time, tree->system_time);
    add_output(&json, ending->output);
    if (!tree->empty) add_survivors(&json);
    add(&json, "}\n");

    // Into the reserved room, with the length that it has at last.
    int file = ending->reserved;
    bool is_ours = has_name(journal, EXIT_RESERVED, file);
    int error = ftruncate(file, (off_t)json.count) < 0 ? errno : fill(file, json.text, json.count, true);
    if (error == 0) error = is_ours ? put(journal, EXIT_RESERVED, "exit.json") : ENOENT;
    // Gone, if the script has meddled with our files. A new one then, unless the whole folder is gone.
    if (error != 0) error = journal_write(journal, "exit.json", json.text, json.count, true);
    return error;
}

int journal_reserve_exit(int journal) {
    int file = create(journal, EXIT_RESERVED);
    if (file < 0) return -1;
    // File systems that cannot reserve are no reason not to run.
    if (fallocate(file, 0, 0, sizeof ((struct json *)0)->text) == 0 || errno == EOPNOTSUPP) return file;
    close(file);
    return -1;
}

void journal_sync_result(int journal) {
    // The script chose what this is: neither a link nor a named pipe may lead us elsewhere or block us.
    static const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int file = openat(journal, "result.json", flags);
    if (file < 0 && restore_rights(journal)) file = openat(journal, "result.json", flags);
    if (file < 0) return;
    struct stat status;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) fsync(file);
    close(file);
}
