// One attempt on disk: its directory, its process, what it left.
#define _GNU_SOURCE
#include "floor.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

#define SCRIPT "__script__"

static void check(bool good, const char *what) {
    if (!good) fail(what, strerror(errno));
}

int open_attempts_directory(const struct options *options) {
    char path[4096];
    mkdir(options->state, 0700);
    snprintf(path, sizeof path, "%s/attempts", options->state);
    mkdir(path, 0700);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(directory >= 0, path);
    return directory;
}

struct attempt *attempt_new(bson_t *task) {
    struct attempt *attempt = calloc(1, sizeof *attempt);
    bson_iter_t root, number;
    char id[25];
    attempt->task = task;
    if (!bson_iter_init_find(&root, task, "_id") || !BSON_ITER_HOLDS_OID(&root)) fail("task", "no _id");
    bson_oid_copy(bson_iter_oid(&root), &attempt->id);
    if (!bson_iter_init(&root, task) || !bson_iter_find_descendant(&root, "hub.attempt", &number)) {
        fail("task", "no attempt");
    }
    attempt->number = bson_iter_int32(&number);
    bson_oid_to_string(&attempt->id, id);
    snprintf(attempt->name, sizeof attempt->name, "%s.%d", id, attempt->number);
    return attempt;
}

// --- The directory ---

static void write_file(int directory, const char *name, const void *bytes, size_t size, mode_t mode) {
    int file = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    check(file >= 0 && write(file, bytes, size) == (ssize_t)size, name);
    close(file);
}

static const uint8_t *script_of(const struct attempt *attempt, uint32_t *size) {
    bson_iter_t value;
    const uint8_t *bytes = NULL;
    bson_subtype_t subtype;
    if (bson_iter_init_find(&value, attempt->task, "script") && BSON_ITER_HOLDS_BINARY(&value)) {
        bson_iter_binary(&value, &subtype, size, &bytes);
    }
    if (bytes == NULL) fail("task", "no script");
    return bytes;
}

static void lay_out(const struct attempt *attempt, const struct options *options, int attempts, const char *token) {
    check(mkdirat(attempts, attempt->name, 0755) == 0, "attempt directory");
    int directory = openat(attempts, attempt->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(directory >= 0, "attempt directory");
    check(mkdirat(directory, "journal", 0700) == 0 && mkdirat(directory, "work", 0755) == 0
              && mkdirat(directory, "checkpoint", 0755) == 0, "attempt directory");
    uint32_t script_size;
    const uint8_t *script = script_of(attempt, &script_size);
    write_file(directory, "work/" SCRIPT, script, script_size, 0755);

    bson_t task = BSON_INITIALIZER;
    size_t size;
    bson_copy_to_excluding_noinit(attempt->task, &task, "script", NULL);
    char *json = bson_as_relaxed_extended_json(&task, &size);
    write_file(directory, "journal/task.json", json, size, 0644);
    bson_free(json);
    bson_destroy(&task);

    char claim[1024];
    int length = snprintf(
        claim, sizeof claim,
        "{\"v\":{\"$numberInt\":\"1\"},\"task_id\":{\"$oid\":\"%.24s\"},\"attempt\":{\"$numberInt\":\"%d\"},"
        "\"token\":{\"$oid\":\"%s\"},\"project\":\"%s\",\"saved_result_keys\":[],"
        "\"output_limit\":{\"$numberLong\":\"67108864\"}}",
        attempt->name, attempt->number, token, options->project
    );
    write_file(directory, "journal/.claim.json.new", claim, (size_t)length, 0644);
    check(renameat(directory, "journal/.claim.json.new", directory, "journal/claim.json") == 0, "claim.json");
    close(directory);
}

// --- The process ---

struct environment {
    char *values[256];
    int count;
};

__attribute__((format(printf, 2, 3))) static void add(struct environment *environment, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (environment->count < 255 && vasprintf(&environment->values[environment->count], format, arguments) >= 0) {
        environment->count++;
    }
    va_end(arguments);
}

static bool is_allowed(const char *variable) {
    static const char *const names[] = {"PATH=", "HOME=", "LANG=", "LC_", "TZ=", "USER=", "LOGNAME=", "TMPDIR=",
                                        "CUDA_", "LD_LIBRARY_PATH=", "NVIDIA_VISIBLE_DEVICES="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) return true;
    }
    return false;
}

static void add_hyper_parameters(struct environment *environment, const bson_t *task) {
    bson_iter_t value, parameter;
    if (!bson_iter_init_find(&value, task, "hyper_parameters") || !BSON_ITER_HOLDS_DOCUMENT(&value)) return;
    const uint8_t *bytes;
    uint32_t size;
    bson_t parameters;
    bson_iter_document(&value, &size, &bytes);
    bson_init_static(&parameters, bytes, size);
    char *json = bson_as_relaxed_extended_json(&parameters, NULL);
    add(environment, "TENSORHUB_HYPER_PARAMETERS=%s", json);
    bson_free(json);
    for (bson_iter_init(&parameter, &parameters); bson_iter_next(&parameter);) {
        const char *name = bson_iter_key(&parameter);
        if (BSON_ITER_HOLDS_UTF8(&parameter)) {
            add(environment, "TENSORHUB_HP_%s=%s", name, bson_iter_utf8(&parameter, NULL));
        } else if (BSON_ITER_HOLDS_NUMBER(&parameter)) {
            add(environment, "TENSORHUB_HP_%s=%.17g", name, bson_iter_as_double(&parameter));
        }
    }
}

static void build_environment(struct environment *environment, const struct attempt *attempt,
                              const struct options *options, const char *directory, const char *token) {
    for (char **variable = environ; *variable != NULL; variable++) {
        if (is_allowed(*variable)) add(environment, "%s", *variable);
    }
    add(environment, "TENSORHUB_TASK_FILE=%s/journal/task.json", directory);
    add(environment, "TENSORHUB_ATTEMPT_TOKEN=%s", token);
    add(environment, "TENSORHUB_RESULT_FILE=%s/journal/result.json", directory);
    add(environment, "TENSORHUB_TASK_ID=%.24s", attempt->name);
    if (options->name != NULL) add(environment, "TENSORHUB_TASK_NAME=%s", options->name);
    add(environment, "TENSORHUB_PROJECT=%s", options->project);
    add(environment, "TENSORHUB_ATTEMPT=%d", attempt->number);
    add(environment, "TENSORHUB_CHECKPOINT_DIR=%s/checkpoint", directory);
    add(environment, "PYTHONPATH=%s/python", options->state);
    add(environment, "PYTHONUNBUFFERED=1");
    add_hyper_parameters(environment, attempt->task);
    environment->values[environment->count] = NULL;
}

// The interpreter and its argument from the first line, as the kernel would split it.
static void read_shebang(const uint8_t *script, uint32_t size, char line[256], char **interpreter, char **argument) {
    uint32_t length = 0;
    while (length < size && length < 255 && script[length] != '\n') length++;
    if (length < 3 || memcmp(script, "#!", 2) != 0) fail("task", "the script has no shebang");
    memcpy(line, script, length);
    line[length] = 0;
    while (length > 0 && isspace((unsigned char)line[length - 1])) line[--length] = 0;
    char *place = line + 2;
    *interpreter = place + strspn(place, " \t");
    place = *interpreter + strcspn(*interpreter, " \t");
    *argument = *place == 0 ? NULL : place + 1 + strspn(place + 1, " \t");
    *place = 0;
}

void attempt_start(struct attempt *attempt, const struct options *options, int attempts_directory) {
    bson_oid_t oid;
    char token[25], line[256], directory[4096], *interpreter, *argument;
    bson_oid_init(&oid, NULL);
    bson_oid_to_string(&oid, token);
    lay_out(attempt, options, attempts_directory, token);

    uint32_t size;
    const uint8_t *text = script_of(attempt, &size);
    read_shebang(text, size, line, &interpreter, &argument);
    snprintf(directory, sizeof directory, "%s/attempts/%s", options->state, attempt->name);
    char *arguments[] = {
        (char *)options->supervisor, "--grace", "30.000", "--output-limit", "67108864", "--output-head", "1048576",
        directory, "--", interpreter, argument != NULL ? argument : SCRIPT, argument != NULL ? SCRIPT : NULL, NULL,
    };
    struct environment environment = {.count = 0};
    build_environment(&environment, attempt, options, directory, token);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, 0, 2);
    posix_spawnattr_t attributes;
    sigset_t signals;
    posix_spawnattr_init(&attributes);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    errno = posix_spawn(&attempt->pid, options->supervisor, &actions, &attributes, arguments, environment.values);
    check(errno == 0, options->supervisor);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < environment.count; i++) free(environment.values[i]);
    attempt->pidfd = (int)syscall(SYS_pidfd_open, attempt->pid, 0);
    check(attempt->pidfd >= 0, "pidfd_open");
}

// --- What it left ---

// Reads a whole file. Returns null when there is none; the bytes are followed by a zero.
static uint8_t *read_file(int directory, const char *name, size_t *size) {
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) return NULL;
    struct stat status;
    check(fstat(file, &status) == 0, name);
    uint8_t *bytes = malloc((size_t)status.st_size + 1);
    ssize_t count = read(file, bytes, (size_t)status.st_size);
    check(count >= 0, name);
    close(file);
    bytes[count] = 0;
    *size = (size_t)count;
    return bytes;
}

void attempt_collect(struct attempt *attempt, int attempts_directory) {
    char path[128];
    size_t size;
    bson_error_t error;
    snprintf(path, sizeof path, "%s/journal", attempt->name);
    int journal = openat(attempts_directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint8_t *text = read_file(journal, "exit.json", &size);
    if (text == NULL) fail("exit.json", strerror(errno));
    bson_t *report = bson_new_from_json(text, (ssize_t)size, &error);
    if (report == NULL) fail("exit.json", error.message);
    free(text);
    int64_t output_bytes = 0;
    bson_iter_t value;
    for (bson_iter_init(&value, report); bson_iter_next(&value);) {
        const char *key = bson_iter_key(&value);
        if (strcmp(key, "exit") == 0) {
            attempt->exited = true;
            attempt->exit = (int32_t)bson_iter_as_int64(&value);
        } else if (strcmp(key, "signal") == 0) {
            attempt->signal = (int32_t)bson_iter_as_int64(&value);
        } else if (strcmp(key, "peak_memory") == 0) {
            attempt->peak_memory = bson_iter_as_int64(&value);
        } else if (strcmp(key, "output_bytes") == 0) {
            output_bytes = bson_iter_as_int64(&value);
        }
    }
    bson_destroy(report);
    if (output_bytes > 0) attempt->output = read_file(journal, "output.log", &attempt->output_size);
    text = read_file(journal, "result.json", &size);
    attempt->result = text != NULL ? bson_new_from_json(text, (ssize_t)size, &error) : bson_new();
    if (attempt->result == NULL) fail("result.json", error.message);
    free(text);
    close(journal);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path);
}

void attempt_discard(struct attempt *attempt, int attempts_directory) {
    static const char *const files[] = {"journal/task.json", "journal/claim.json", "journal/pids.json",
                                        "journal/output.log", "journal/exit.json", "work/" SCRIPT};
    static const char *const directories[] = {"journal", "work", "checkpoint"};
    // What is always there goes without a look; what a script added needs one.
    int directory = openat(attempts_directory, attempt->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlinkat(directory, files[i], 0);
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        unlinkat(directory, directories[i], AT_REMOVEDIR);
    }
    close(directory);
    if (unlinkat(attempts_directory, attempt->name, AT_REMOVEDIR) != 0) {
        char path[128];
        snprintf(path, sizeof path, "/proc/self/fd/%d/%s", attempts_directory, attempt->name);
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    bson_destroy(attempt->task);
    bson_destroy(attempt->result);
    free(attempt->output);
    free(attempt);
}
