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

static int create(int journal, const char *name) {
    return openat(journal, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
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
    if (error == 0 && renameat(journal, temporary, journal, name) < 0) error = errno;
    return error;
}

void journal_write_new(int journal, const char *name, const char *text) {
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".%s.first", name);
    if (write_temporary(journal, temporary, text, strlen(text), false) == 0) {
        linkat(journal, temporary, journal, name, 0);
    }
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
    int error = ftruncate(file, (off_t)json.count) < 0 ? errno : fill(file, json.text, json.count, true);
    if (error == 0 && renameat(journal, EXIT_RESERVED, journal, "exit.json") < 0) error = errno;
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
    int file = openat(journal, "result.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) return;
    struct stat status;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) fsync(file);
    close(file);
}
