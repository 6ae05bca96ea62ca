// How long it takes from the call that inserts a task to the first instruction of its script, on an idle runner.
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { warm_up = 3 };  // tasks that are not measured

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void measure_dispatch(const struct options *options, mongoc_client_pool_t *pool) {
    char path[4096], script[8300];
    snprintf(path, sizeof path, "%s/stamp", options->state);
    mkdir(options->state, 0700);
    unlink(path);
    if (mkfifo(path, 0600) != 0) fail(path, strerror(errno));
    int stamps = open(path, O_RDWR | O_CLOEXEC);  // also for writing: no end of file between two scripts
    if (stamps < 0) fail(path, strerror(errno));
    snprintf(script, sizeof script, "#!%s %s\n", options->stamp, path);
    struct options inserted = *options;
    inserted.script = script;

    struct connection connection;
    bson_oid_t id;
    bson_oid_init(&id, NULL);
    connection_open(&connection, pool, options, &id);
    struct runner *runner = runner_start(options, pool);
    mongoc_collection_t *tasks = mongoc_client_get_collection(connection.client, options->database, TASKS);
    bson_t *durable = BCON_NEW("writeConcern", "{", "w", "majority", "j", BCON_BOOL(true), "}");
    double *latencies = calloc((size_t)options->count, sizeof *latencies);
    usleep(500000);  // the change stream is open by then
    for (int i = -warm_up; i < options->count; i++) {
        bson_error_t error;
        int64_t stamp = 0;
        int64_t began = now_realtime();
        bson_oid_init(&id, NULL);
        bson_t *task = task_document(&inserted, &id, began / 1000000);
        if (!mongoc_collection_insert_one(tasks, task, durable, NULL, &error)) fail("insert", error.message);
        if (read(stamps, &stamp, sizeof stamp) != sizeof stamp) fail("stamp", strerror(errno));
        bson_destroy(task);
        if (i >= 0) latencies[i] = (double)(stamp - began) / 1e6;
        runner_wait(runner, warm_up + i + 1);
        usleep(20000 + (useconds_t)(rand() % 10000));  // idle again, and not in step with anything periodic
    }
    unlink(path);
    printf("{\"tasks\":%d,\"milliseconds\":[", options->count);
    for (int i = 0; i < options->count; i++) printf("%s%.3f", i > 0 ? "," : "", latencies[i]);
    qsort(latencies, (size_t)options->count, sizeof *latencies, compare);
    printf("],\"median\":%.3f,\"p99\":%.3f}\n", latencies[options->count / 2], latencies[options->count * 99 / 100]);
}
