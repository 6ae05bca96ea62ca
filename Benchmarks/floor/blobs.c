// Chunks of a GridFS file, up and down: over as many connections as ours, in the messages that are fastest. Nothing is
// hashed, nothing deduplicated, no document says that an upload is under way.
#include "floor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Chunks of a message up and down: what is fastest here.
enum { CHUNK = 261120, UP = 32, DOWN = 8, CONNECTIONS = 2 };

#define CHUNKS "floor.chunks"
#define FILES "floor.files"

struct transfer {
    const struct options *options;
    mongoc_client_pool_t *pool;
    bson_oid_t id;
    int file;
    int64_t length;
    int chunks;
    atomic_int next;  // the first chunk of the next message
};

static int size_of(const struct transfer *transfer, int number) {
    int64_t rest = transfer->length - (int64_t)number * CHUNK;
    return rest < CHUNK ? (int)rest : CHUNK;
}

static void *upload(void *context) {
    struct transfer *transfer = context;
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_pool_pop(transfer->pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, transfer->options->database, CHUNKS);
    // As ours: whether the chunks stay is asked once, at the end.
    bson_t *quick = BCON_NEW("ordered", BCON_BOOL(false), "writeConcern", "{", "w", BCON_INT32(1), "}");
    bson_t *unchecked = BCON_NEW("validate", BCON_BOOL(false));
    uint8_t *content = malloc(CHUNK);
    for (int first; (first = atomic_fetch_add(&transfer->next, UP)) < transfer->chunks;) {
        mongoc_bulk_operation_t *bulk = mongoc_collection_create_bulk_operation_with_opts(collection, quick);
        for (int number = first; number < transfer->chunks && number < first + UP; number++) {
            int size = size_of(transfer, number);
            if (pread(transfer->file, content, (size_t)size, (off_t)number * CHUNK) != size) fail("read", "too short");
            bson_oid_t id;
            bson_t document;
            bson_oid_init(&id, NULL);
            bson_init(&document);
            BSON_APPEND_OID(&document, "_id", &id);
            BSON_APPEND_OID(&document, "files_id", &transfer->id);
            BSON_APPEND_INT32(&document, "n", number);
            BSON_APPEND_BINARY(&document, "data", BSON_SUBTYPE_BINARY, content, (uint32_t)size);
            if (!mongoc_bulk_operation_insert_with_opts(bulk, &document, unchecked, &error)) fail("add", error.message);
            bson_destroy(&document);
        }
        if (mongoc_bulk_operation_execute(bulk, NULL, &error) == 0) fail("insert", error.message);
        mongoc_bulk_operation_destroy(bulk);
    }
    free(content);
    bson_destroy(quick);
    bson_destroy(unchecked);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(transfer->pool, client);
    return NULL;
}

static void *download(void *context) {
    struct transfer *transfer = context;
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_pool_pop(transfer->pool);
    for (int first; (first = atomic_fetch_add(&transfer->next, DOWN)) < transfer->chunks;) {
        bson_t *command = BCON_NEW(
            "find", BCON_UTF8(CHUNKS), "filter", "{", "files_id", BCON_OID(&transfer->id), "n", "{", "$gte",
            BCON_INT32(first), "$lt", BCON_INT32(first + DOWN), "}", "}", "sort", "{", "n", BCON_INT32(1), "}",
            "batchSize", BCON_INT32(DOWN), "limit", BCON_INT32(DOWN), "singleBatch", BCON_BOOL(true)
        );
        bson_t reply;
        bson_iter_t iterator, batch, chunk, field;
        if (!mongoc_client_read_command_with_opts(
                client, transfer->options->database, command, NULL, NULL, &reply, &error
            )) fail("find", error.message);
        if (!bson_iter_init_find(&iterator, &reply, "cursor") || !bson_iter_recurse(&iterator, &batch)
            || !bson_iter_find(&batch, "firstBatch") || !bson_iter_recurse(&batch, &chunk)) fail("find", "no batch");
        int number = first;
        for (; bson_iter_next(&chunk); number++) {
            const uint8_t *content;
            uint32_t size;
            if (!bson_iter_recurse(&chunk, &field) || !bson_iter_find(&field, "data")) fail("chunk", "no data");
            bson_iter_binary(&field, NULL, &size, &content);
            if (pwrite(transfer->file, content, size, (off_t)number * CHUNK) != size) fail("write", "too short");
        }
        int last = first + DOWN < transfer->chunks ? first + DOWN : transfer->chunks;
        if (number != last) fail("find", "a chunk is missing");
        bson_destroy(&reply);
        bson_destroy(command);
    }
    mongoc_client_pool_push(transfer->pool, client);
    return NULL;
}

// Runs it on each connection; returns seconds.
static double run(struct transfer *transfer, void *(*body)(void *)) {
    pthread_t threads[CONNECTIONS];
    double began = now_seconds();
    transfer->next = 0;
    for (int i = 0; i < CONNECTIONS; i++) pthread_create(&threads[i], NULL, body, transfer);
    for (int i = 0; i < CONNECTIONS; i++) pthread_join(threads[i], NULL);
    return now_seconds() - began;
}

void measure_blobs(const struct options *options, mongoc_client_pool_t *pool) {
    struct transfer transfer = {.options = options, .pool = pool};
    bson_error_t error;
    char path[4096];
    if (options->file == NULL) fail("blobs", "--file is needed");
    transfer.file = open(options->file, O_RDONLY | O_CLOEXEC);
    if (transfer.file < 0) fail(options->file, "cannot be opened");
    transfer.length = lseek(transfer.file, 0, SEEK_END);
    transfer.chunks = (int)((transfer.length + CHUNK - 1) / CHUNK);
    bson_oid_init(&transfer.id, NULL);

    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    bson_t *indexes = BCON_NEW(
        "createIndexes", BCON_UTF8(CHUNKS), "indexes", "[", "{", "name", "files_id_1_n_1", "unique", BCON_BOOL(true), "key",
        "{", "files_id", BCON_INT32(1), "n", BCON_INT32(1), "}", "}", "]"
    );
    if (!mongoc_client_write_command_with_opts(client, options->database, indexes, NULL, NULL, &error)) {
        fail("createIndexes", error.message);
    }
    double began = now_seconds();
    run(&transfer, upload);
    mongoc_collection_t *files = mongoc_client_get_collection(client, options->database, FILES);
    bson_t *document = BCON_NEW(
        "_id", BCON_OID(&transfer.id), "length", BCON_INT64(transfer.length), "chunkSize", BCON_INT32(CHUNK)
    );
    bson_t *durable = BCON_NEW("writeConcern", "{", "w", "majority", "j", BCON_BOOL(true), "}");
    if (!mongoc_collection_insert_one(files, document, durable, NULL, &error)) fail("insert", error.message);
    double up = now_seconds() - began;
    close(transfer.file);

    // The disk comes to rest and some memory is used, as before the others' downloads.
    sync();
    sleep(1);
    size_t used = (size_t)768 << 20;
    char *memory = malloc(used);
    if (memory == NULL) fail("memory", "none is left");
    memset(memory, 1, used);
    // Read, so that the compiler leaves it in.
    if (((volatile char *)memory)[used - 1] != 1) fail("memory", "is broken");
    free(memory);
    snprintf(path, sizeof path, "%s.floor", options->file);
    transfer.file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (transfer.file < 0) fail(path, "cannot be opened");
    if (posix_fallocate(transfer.file, 0, transfer.length) != 0) fail(path, "has no space");
    double down = run(&transfer, download);
    close(transfer.file);
    unlink(path);

    double size = (double)transfer.length / (1 << 20);
    printf("{\"up\":%.1f,\"down\":%.1f}\n", size / up, size / down);
    mongoc_collection_destroy(files);
    bson_destroy(indexes);
    bson_destroy(document);
    bson_destroy(durable);
    mongoc_client_pool_push(pool, client);
}
