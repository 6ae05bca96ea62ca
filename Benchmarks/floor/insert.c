// Raw insertion of many tasks: the documents are made first, so that only the server's and the library's work counts.
#include "floor.h"

#include <stdio.h>
#include <stdlib.h>

void measure_insert(const struct options *options, mongoc_client_pool_t *pool) {
    struct connection connection;
    bson_oid_t id;
    bson_error_t error;
    bson_oid_init(&id, NULL);
    connection_open(&connection, pool, options, &id);
    create_indexes(&connection);
    bson_t **tasks = calloc((size_t)options->count, sizeof *tasks);
    int64_t time = now_realtime() / 1000000;
    for (int i = 0; i < options->count; i++) {
        bson_oid_init(&id, NULL);
        tasks[i] = task_document(options, &id, time);
    }
    bson_t *durable = BCON_NEW(
        "writeConcern", "{", "w", "majority", "j", BCON_BOOL(true), "wtimeout", BCON_INT32(10000), "}"
    );
    mongoc_collection_t *collection = mongoc_client_get_collection(connection.client, options->database, TASKS);
    double began = now_seconds();
    if (!mongoc_collection_insert_many(
            collection, (const bson_t **)tasks, (size_t)options->count, durable, NULL, &error
        )) fail("insert", error.message);
    double seconds = now_seconds() - began;
    printf("{\"tasks\":%d,\"seconds\":%.6f,\"per_second\":%.1f}\n", options->count, seconds, options->count / seconds);
    for (int i = 0; i < options->count; i++) bson_destroy(tasks[i]);
    free(tasks);
    bson_destroy(durable);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(pool, connection.client);
    bson_destroy(&connection.claim);
}
