// Log entries in batches, one after another, as a runner delivers them. Making the documents counts on both sides.
#include "floor.h"

#include <stdio.h>
#include <stdlib.h>

// The entry of `Hub.saveLogs`.
static bson_t *entry(const struct options *options, const bson_oid_t *task, int step, int64_t time) {
    bson_oid_t id;
    bson_oid_init(&id, NULL);
    return BCON_NEW(
        "_id", BCON_OID(&id), "loss", BCON_DOUBLE(1.0 / (step + 1)), "accuracy", BCON_DOUBLE(0.5), "step",
        BCON_INT32(step), "project_name", BCON_UTF8(options->project), "time", BCON_DATE_TIME(time), "hub", "{", "task",
        BCON_OID(task), "attempt", BCON_INT32(1), "}"
    );
}

void measure_logs(const struct options *options, mongoc_client_pool_t *pool) {
    bson_error_t error;
    bson_oid_t task;
    bson_oid_init(&task, NULL);
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, options->database, LOGS);
    bson_t *durable = BCON_NEW(
        "writeConcern", "{", "w", "majority", "j", BCON_BOOL(true), "wtimeout", BCON_INT32(10000), "}", "ordered",
        BCON_BOOL(false)
    );
    bson_t **batch = calloc((size_t)options->batch, sizeof *batch);
    double seconds = 0;
    int saved = 0;
    while (saved < options->count) {
        int size = options->count - saved < options->batch ? options->count - saved : options->batch;
        int64_t time = now_realtime() / 1000000;
        double began = now_seconds();
        for (int i = 0; i < size; i++) batch[i] = entry(options, &task, saved + i, time);
        if (!mongoc_collection_insert_many(collection, (const bson_t **)batch, (size_t)size, durable, NULL, &error))
            fail("logs", error.message);
        seconds += now_seconds() - began;
        for (int i = 0; i < size; i++) bson_destroy(batch[i]);
        saved += size;
    }
    printf("{\"entries\":%d,\"seconds\":%.6f,\"per_second\":%.1f}\n", saved, seconds, saved / seconds);
    free(batch);
    bson_destroy(durable);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(pool, client);
}
