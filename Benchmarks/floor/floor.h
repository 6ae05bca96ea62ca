// floor: what the machine gives when the work of the runner is done by a small C program over libmongoc.
//
// It is the yardstick of `scripts/bench`: the same documents, statements, files, processes and promises (everything
// majority and journaled, never more claimed than free slots), written to be fast. statements.c has what MongoDB is
// asked, attempt.c what happens on disk, runner.c the threads, dispatch.c, insert.c, blobs.c and logs.c the others.
#ifndef FLOOR_H
#define FLOOR_H

#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TASKS "Task"
#define OUTPUT "TaskOutput"
#define LOGS "TrainLog"

enum { MAX_SLOTS = 256 };

struct options {
    const char *uri, *database, *project;
    const char *name;        // of the tasks; null runs any and names none
    const char *supervisor;  // path of tensorhub-supervisor
    const char *state;       // attempt directories are made below it
    const char *script;      // text of the inserted tasks' script
    const char *stamp;       // path of the stamp program
    const char *file;        // what is sent up; beside it what comes down
    int slots, count, launchers;
    int batch;   // log entries to a message
    bool watch;  // hold a change stream open, as a runner that may become idle must
};

// Seconds on the monotonic clock.
double now_seconds(void);
// Nanoseconds since 1970.
int64_t now_realtime(void);
// Prints what failed and why, and ends the program: a yardstick has no second try.
void fail(const char *what, const char *why) __attribute__((noreturn));

// --- statements.c ---

// What one thread uses to talk to MongoDB.
struct connection {
    mongoc_client_t *client;
    const struct options *options;
    bson_oid_t runner;
    bson_t claim;          // pipeline of a claim; its token is written in place
    uint8_t *claim_token;  // where it stands in the pipeline
};

void connection_open(struct connection *connection, mongoc_client_pool_t *pool, const struct options *options,
                     const bson_oid_t *runner);

// Claims up to `wanted` tasks, never more. Returns how many; each belongs to the caller.
int claim(struct connection *connection, int wanted, bson_t *tasks[]);
// Claims that task. Returns null where somebody else has it.
bson_t *claim_by_id(struct connection *connection, const bson_oid_t *id);
// The change events that can mean work: documentKey of each.
mongoc_change_stream_t *watch_queue(struct connection *connection);

struct attempt;
// Stores the output of these attempts, then their ends, each in one statement; returns when it is durable.
void report(struct connection *connection, struct attempt *attempts);

void create_indexes(struct connection *connection);
// A task document as `Hub.createTasks` writes it.
bson_t *task_document(const struct options *options, const bson_oid_t *id, int64_t milliseconds);

// --- attempt.c ---

struct attempt {
    struct attempt *next;
    bson_t *task;
    bson_oid_t id;
    int32_t number;
    char name[48];  // of the directory below attempts/
    int pidfd;
    pid_t pid;
    // How it ended.
    bool exited;
    int32_t exit, signal;
    int64_t peak_memory;
    uint8_t *output;
    size_t output_size;
    bson_t *result;
};

struct attempt *attempt_new(bson_t *task);
// Lays out the directory and starts the supervisor.
void attempt_start(struct attempt *attempt, const struct options *options, int attempts_directory);
// Reads exit status, result and output from the directory.
void attempt_collect(struct attempt *attempt, int attempts_directory);
// Deletes the directory and frees the attempt.
void attempt_discard(struct attempt *attempt, int attempts_directory);
int open_attempts_directory(const struct options *options);

// --- runner.c ---

struct runner;
// Starts the threads. They serve tasks as they come until `options->count` are reported.
struct runner *runner_start(const struct options *options, mongoc_client_pool_t *pool);
// Waits until `count` attempts are reported and their directories are gone.
void runner_wait(struct runner *runner, int count);
// From the first claim that got a task to the last acknowledged report.
double runner_seconds(struct runner *runner);

// --- dispatch.c, insert.c, blobs.c, logs.c ---

void measure_dispatch(const struct options *options, mongoc_client_pool_t *pool);
void measure_insert(const struct options *options, mongoc_client_pool_t *pool);
void measure_blobs(const struct options *options, mongoc_client_pool_t *pool);
void measure_logs(const struct options *options, mongoc_client_pool_t *pool);

#endif
