// What MongoDB is asked: the statements of Sources/TensorHub (TaskStatements.swift, Hub+Attempts.swift), word for word.
#define _GNU_SOURCE
#include "floor.h"

#include <stdlib.h>
#include <string.h>

#define INT(path) "{\"$cond\":[{\"$isNumber\":\"" path "\"},{\"$convert\":{\"input\":\"" path \
    "\",\"to\":\"int\",\"onError\":0,\"onNull\":0}},0]}"
// Each key at the top and in `hub` is there once: merging keeps one of each.
#define IF_SOUND(value) "{\"$switch\":{\"branches\":[{\"case\":{\"$eq\":[\"$$ROOT\",{\"$mergeObjects\":[\"$$ROOT\"," \
    "{\"hub\":{\"$mergeObjects\":[\"$hub\"]}}]}]},\"then\":\"" value "\"}]}}"
#define HISTORY "{\"$cond\":[{\"$isArray\":\"$hub.history\"},\"$hub.history\",[]]}"

static const int history_limit = 50;
static const int lease_milliseconds = 60000;
static const char host[] = "floor";

static bson_t *from_json(const char *text) {
    bson_error_t error;
    bson_t *document = bson_new_from_json((const uint8_t *)text, -1, &error);
    if (document == NULL) fail("statement", error.message);
    return document;
}

// Runs a command and looks into the reply for every way in which MongoDB says no.
static void run(struct connection *connection, const bson_t *command, bson_t *reply) {
    bson_error_t error;
    if (!mongoc_client_command_simple(connection->client, connection->options->database, command, NULL, reply, &error)) {
        fail("command", error.message);
    }
    if (bson_has_field(reply, "writeErrors") || bson_has_field(reply, "writeConcernError")) {
        fail("write", bson_as_relaxed_extended_json(reply, NULL));
    }
}

static void append_durable(bson_t *command) {
    BCON_APPEND(command, "writeConcern", "{", "w", "majority", "j", BCON_BOOL(true), "wtimeout", BCON_INT32(10000), "}");
}

// The pipeline is built once; each claim writes its token over the placeholder.
static void build_claim(struct connection *connection) {
    char runner[25], *text;
    static const char placeholder[] = "f100f100f100f100f100f100";
    bson_oid_to_string(&connection->runner, runner);
    if (asprintf(
            &text,
            "{\"\":[{\"$set\":{\"status\":" IF_SOUND("running") ",\"hub.attempt\":{\"$add\":[" INT("$hub.attempt") ",1]},"
            "\"hub.started\":\"$$NOW\",\"hub.lease\":{\"runner\":{\"$oid\":\"%s\"},\"token\":{\"$oid\":\"%s\"},"
            "\"expires\":{\"$add\":[\"$$NOW\",{\"$numberLong\":\"%d\"}]}}}},"
            "{\"$set\":{\"hub.history\":{\"$slice\":[{\"$concatArrays\":[" HISTORY ",[{\"attempt\":\"$hub.attempt\","
            "\"runner\":{\"$oid\":\"%s\"},\"host\":{\"$literal\":\"%s\"},\"start\":\"$$NOW\"}]]},%d]}}},"
            "{\"$unset\":[\"hub.ended\",\"hub.progress\"]}]}",
            runner, placeholder, lease_milliseconds, runner, host, -history_limit
        ) < 0) fail("claim", "no memory");
    bson_t *document = from_json(text);
    free(text);
    bson_oid_t token;
    bson_oid_init_from_string(&token, placeholder);
    bson_copy_to(document, &connection->claim);
    bson_destroy(document);
    connection->claim_token =
        memmem(bson_get_data(&connection->claim), connection->claim.len, &token, sizeof token);
}

// Appends the pipeline, with a new token in it, which is returned.
static bson_oid_t append_claim(bson_t *command, const char *key, struct connection *connection) {
    bson_oid_t token;
    bson_iter_t pipeline;
    bson_oid_init(&token, NULL);
    memcpy(connection->claim_token, &token, sizeof token);
    bson_iter_init_find(&pipeline, &connection->claim, "");
    bson_append_iter(command, key, -1, &pipeline);
    return token;
}

static void append_queue(bson_t *filter, const struct options *options) {
    BSON_APPEND_UTF8(filter, "project_name", options->project);
    BSON_APPEND_UTF8(filter, "status", "pending");
    BSON_APPEND_BOOL(filter, "hub.ready", true);
    BCON_APPEND(filter, "hub.v", "{", "$not", "{", "$gt", BCON_INT32(1), "}", "}");
    if (options->name != NULL) BSON_APPEND_UTF8(filter, "task_name", options->name);
}

static void append_order(bson_t *command, const char *key) {
    BCON_APPEND(command, key, "{", "hub.priority", BCON_INT32(-1), "time", BCON_INT32(1), "_id", BCON_INT32(1), "}");
}

void connection_open(struct connection *connection, mongoc_client_pool_t *pool, const struct options *options,
                     const bson_oid_t *runner) {
    *connection = (struct connection){.client = mongoc_client_pool_pop(pool), .options = options, .runner = *runner};
    build_claim(connection);
}

static bson_t *claim_one(struct connection *connection, const bson_oid_t *id) {
    bson_t command = BSON_INITIALIZER, filter, reply;
    BSON_APPEND_UTF8(&command, "findAndModify", TASKS);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "query", &filter);
    if (id != NULL) BSON_APPEND_OID(&filter, "_id", id);
    append_queue(&filter, connection->options);
    if (id == NULL) BCON_APPEND(&filter, "_id", "{", "$type", "objectId", "}");
    bson_append_document_end(&command, &filter);
    if (id == NULL) append_order(&command, "sort");
    append_claim(&command, "update", connection);
    BSON_APPEND_BOOL(&command, "new", true);
    append_durable(&command);
    run(connection, &command, &reply);
    bson_destroy(&command);

    bson_t *task = NULL;
    bson_iter_t value;
    if (bson_iter_init_find(&value, &reply, "value") && BSON_ITER_HOLDS_DOCUMENT(&value)) {
        const uint8_t *bytes;
        uint32_t size;
        bson_iter_document(&value, &size, &bytes);
        task = bson_new_from_data(bytes, size);
    }
    bson_destroy(&reply);
    return task;
}

bson_t *claim_by_id(struct connection *connection, const bson_oid_t *id) { return claim_one(connection, id); }

static bson_iter_t first_batch(const bson_t *reply) {
    bson_iter_t root, batch, documents;
    if (!bson_iter_init(&root, reply) || !bson_iter_find_descendant(&root, "cursor.firstBatch", &batch)
        || !bson_iter_recurse(&batch, &documents)) {
        fail("find", "the reply has no first batch");
    }
    return documents;
}

// Appends the first tasks of the queue to `ids`. Returns how many.
static int find_candidates(struct connection *connection, int limit, int skip, bson_t *ids) {
    bson_t command = BSON_INITIALIZER, filter, reply;
    BSON_APPEND_UTF8(&command, "find", TASKS);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    append_queue(&filter, connection->options);
    BCON_APPEND(&filter, "_id", "{", "$type", "objectId", "}");
    bson_append_document_end(&command, &filter);
    append_order(&command, "sort");
    BCON_APPEND(&command, "projection", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT32(limit));
    if (skip > 0) BSON_APPEND_INT32(&command, "skip", skip);
    BCON_APPEND(&command, "batchSize", BCON_INT32(limit), "singleBatch", BCON_BOOL(true));
    run(connection, &command, &reply);
    bson_destroy(&command);
    int count = 0;
    bson_iter_t document = first_batch(&reply), id;
    while (bson_iter_next(&document)) {
        if (!bson_iter_recurse(&document, &id) || !bson_iter_find(&id, "_id")) continue;
        char key[12];
        snprintf(key, sizeof key, "%d", count++);
        bson_append_iter(ids, key, -1, &id);
    }
    bson_destroy(&reply);
    return count;
}

// Marks those of `ids` that are still in the queue as ours. Returns how many.
static int update_candidates(struct connection *connection, const bson_t *ids, bson_oid_t *token) {
    bson_t command = BSON_INITIALIZER, updates, update, filter, guard, reply;
    BSON_APPEND_UTF8(&command, "update", TASKS);
    BSON_APPEND_ARRAY_BEGIN(&command, "updates", &updates);
    BSON_APPEND_DOCUMENT_BEGIN(&updates, "0", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &filter);
    append_queue(&filter, connection->options);
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &guard);
    BSON_APPEND_ARRAY(&guard, "$in", ids);
    bson_append_document_end(&filter, &guard);
    bson_append_document_end(&update, &filter);
    *token = append_claim(&update, "u", connection);
    BSON_APPEND_BOOL(&update, "multi", true);
    bson_append_document_end(&updates, &update);
    bson_append_array_end(&command, &updates);
    append_durable(&command);
    run(connection, &command, &reply);
    bson_destroy(&command);
    bson_iter_t matched;
    int count = bson_iter_init_find(&matched, &reply, "n") ? bson_iter_int32(&matched) : 0;
    bson_destroy(&reply);
    return count;
}

static int read_claimed(struct connection *connection, const bson_oid_t *token, int limit, bson_t *tasks[]) {
    bson_t command = BSON_INITIALIZER, reply;
    BCON_APPEND(
        &command, "find", TASKS, "filter", "{", "hub.lease.token", BCON_OID(token), "status", "running", "}",
        "batchSize", BCON_INT32(limit), "limit", BCON_INT32(limit), "singleBatch", BCON_BOOL(true)
    );
    run(connection, &command, &reply);
    bson_destroy(&command);
    int count = 0;
    bson_iter_t document = first_batch(&reply);
    while (bson_iter_next(&document) && count < limit) {
        const uint8_t *bytes;
        uint32_t size;
        bson_iter_document(&document, &size, &bytes);
        tasks[count++] = bson_new_from_data(bytes, size);
    }
    bson_destroy(&reply);
    return count;
}

int claim(struct connection *connection, int wanted, bson_t *tasks[]) {
    if (wanted == 1) {
        tasks[0] = claim_one(connection, NULL);
        return tasks[0] != NULL;
    }
    int claimed = 0;
    for (int try = 0; try < 2 && claimed < wanted; try++) {
        // Some were lost to other runners: once more from a place where fewer look.
        int skip = try == 0 ? 0 : rand() % (4 * wanted);
        bson_t ids = BSON_INITIALIZER;
        bson_oid_t token;
        int found = find_candidates(connection, wanted - claimed, skip, &ids);
        int won = found > 0 ? update_candidates(connection, &ids, &token) : 0;
        bson_destroy(&ids);
        if (won > 0) claimed += read_claimed(connection, &token, won, tasks + claimed);
        if (won == found) break;
    }
    return claimed;
}

mongoc_change_stream_t *watch_queue(struct connection *connection) {
#define CANCELLED "{\"$ne\":[{\"$type\":{\"$getField\":{\"field\":\"hub.cancel\",\"input\":" \
    "\"$updateDescription.updatedFields\"}}},\"missing\"]}"
    char *text;
    if (asprintf(
            &text,
            "{\"pipeline\":[{\"$match\":{\"$or\":[{\"operationType\":\"insert\",\"fullDocument.project_name\":\"%s\"},"
            "{\"updateDescription.updatedFields.status\":\"pending\"},{\"operationType\":\"update\",\"$expr\":" CANCELLED
            "}]}},{\"$project\":{\"documentKey\":1,\"cancelled\":{\"$and\":[{\"$eq\":[\"$operationType\",\"update\"]},"
            CANCELLED "]},\"foreign\":{\"$and\":[{\"$eq\":[\"$operationType\",\"insert\"]},"
            "{\"$ne\":[{\"$type\":\"$fullDocument.hub.ready\"},\"bool\"]}]},\"version\":\"$fullDocument.hub.v\"}}]}",
            connection->options->project
        ) < 0) fail("watch", "no memory");
    bson_t *pipeline = from_json(text), *options = BCON_NEW("maxAwaitTimeMS", BCON_INT64(5000));
    free(text);
    mongoc_collection_t *tasks =
        mongoc_client_get_collection(connection->client, connection->options->database, TASKS);
    mongoc_change_stream_t *stream = mongoc_collection_watch(tasks, pipeline, options);
    bson_destroy(pipeline);
    bson_destroy(options);
    return stream;  // the collection handle must outlive it: both end with the program
}

static void store_output(struct connection *connection, const struct attempt *attempts) {
    enum { chunk_size = 256 * 1024, batch = 1000 };
    bson_t *documents[batch];
    int count = 0;
    bson_t *durable = bson_new();
    append_durable(durable);
    mongoc_collection_t *output =
        mongoc_client_get_collection(connection->client, connection->options->database, OUTPUT);
    for (const struct attempt *attempt = attempts; attempt != NULL; attempt = attempt->next) {
        int64_t sequence = 0;
        for (size_t offset = 0; offset < attempt->output_size; offset += chunk_size, sequence++) {
            size_t size = attempt->output_size - offset;
            bson_t *chunk = bson_new();
            BSON_APPEND_OID(chunk, "task_id", &attempt->id);
            BSON_APPEND_INT32(chunk, "attempt", attempt->number);
            BSON_APPEND_INT64(chunk, "seq", sequence);
            BSON_APPEND_INT64(chunk, "offset", (int64_t)offset);
            BSON_APPEND_DATE_TIME(chunk, "time", now_realtime() / 1000000);
            BSON_APPEND_BINARY(chunk, "data", BSON_SUBTYPE_BINARY, attempt->output + offset,
                               (uint32_t)(size < chunk_size ? size : chunk_size));
            documents[count++] = chunk;
            if (count == batch) fail("output", "more than this program takes");
        }
    }
    bson_error_t error;
    if (count > 0
        && !mongoc_collection_insert_many(output, (const bson_t **)documents, (size_t)count, durable, NULL, &error)) {
        fail("output", error.message);
    }
    for (int i = 0; i < count; i++) bson_destroy(documents[i]);
    mongoc_collection_destroy(output);
    bson_destroy(durable);
}

static void append_end(bson_t *updates, int index, const struct attempt *attempt, const bson_oid_t *runner) {
    bson_t closing = BSON_INITIALIZER, set = BSON_INITIALIZER, unset;
    bool finished = attempt->exited && attempt->exit == 0;
    const char *cause = finished ? "finished" : attempt->exited ? "exit" : "signal";
    char key[12];
    snprintf(key, sizeof key, "%d", index);

    BCON_APPEND(&closing, "end", "$$NOW", "cause", "{", "$literal", cause, "}");
    if (attempt->exited) BSON_APPEND_INT32(&closing, "exit", attempt->exit);
    else BSON_APPEND_INT32(&closing, "signal", attempt->signal);
    BSON_APPEND_INT64(&closing, "peak_memory", attempt->peak_memory);
    BCON_APPEND(
        &set, "status", finished ? "finished" : "failed",
        "hub.history", "{", "$map", "{",
            "input", "{", "$cond", "[", "{", "$isArray", "$hub.history", "}", "$hub.history", "[", "]", "]", "}",
            "as", "entry",
            "in", "{", "$cond", "[",
                "{", "$and", "[", "{", "$eq", "[", "{", "$type", "$$entry", "}", "object", "]", "}",
                    "{", "$eq", "[", "$$entry.attempt", BCON_INT32(attempt->number), "]", "}", "]", "}",
                "{", "$mergeObjects", "[", "$$entry", BCON_DOCUMENT(&closing), "]", "}",
                "$$entry",
            "]", "}",
        "}", "}"
    );
    if (finished) {
        BCON_APPEND(&set, "result", "{", "$literal", BCON_DOCUMENT(attempt->result), "}");
    } else {
        BCON_APPEND(
            &set,
            "hub.failures", "{", "$add", "[", "{", "$cond", "[", "{", "$isNumber", "$hub.failures", "}",
                "{", "$convert", "{", "input", "$hub.failures", "to", "int", "onError", BCON_INT32(0), "onNull",
                BCON_INT32(0), "}", "}", BCON_INT32(0), "]", "}", BCON_INT32(1), "]", "}",
            "hub.error", "{", "$literal", "{", "kind", cause, "message", "the script failed", "}", "}"
        );
    }
    BSON_APPEND_UTF8(&set, "hub.ended", "$$NOW");
    unset = (bson_t)BSON_INITIALIZER;
    BCON_APPEND(&unset, "0", "hub.lease", "1", "hub.progress", "2", "hub.cancel");
    if (finished) BSON_APPEND_UTF8(&unset, "3", "hub.error");
    BCON_APPEND(
        updates, key, "{",
            "q", "{", "_id", BCON_OID(&attempt->id), "status", "running", "hub.attempt", BCON_INT32(attempt->number),
                "hub.lease.runner", BCON_OID(runner), "}",
            "u", "[", "{", "$set", BCON_DOCUMENT(&set), "}", "{", "$unset", BCON_ARRAY(&unset), "}", "]",
        "}"
    );
    bson_destroy(&closing);
    bson_destroy(&set);
    bson_destroy(&unset);
}

void report(struct connection *connection, struct attempt *attempts) {
    bson_t command = BSON_INITIALIZER, updates, reply;
    int count = 0;
    store_output(connection, attempts);
    BSON_APPEND_UTF8(&command, "update", TASKS);
    BSON_APPEND_ARRAY_BEGIN(&command, "updates", &updates);
    for (const struct attempt *attempt = attempts; attempt != NULL; attempt = attempt->next) {
        append_end(&updates, count++, attempt, &connection->runner);
    }
    bson_append_array_end(&command, &updates);
    BSON_APPEND_BOOL(&command, "ordered", false);
    append_durable(&command);
    run(connection, &command, &reply);
    bson_iter_t matched;
    if (!bson_iter_init_find(&matched, &reply, "n") || bson_iter_int32(&matched) != count) {
        fail("report", "a lease was lost");
    }
    bson_destroy(&command);
    bson_destroy(&reply);
}

void create_indexes(struct connection *connection) {
    static const char *const commands[] = {
        "{\"createIndexes\":\"" TASKS "\",\"indexes\":["
        "{\"name\":\"claim\",\"key\":{\"project_name\":1,\"status\":1,\"hub.ready\":1,\"hub.priority\":-1,\"time\":1,\"_id\":1}},"
        "{\"name\":\"claim_by_name\",\"key\":{\"project_name\":1,\"status\":1,\"hub.ready\":1,\"task_name\":1,"
        "\"hub.priority\":-1,\"time\":1,\"_id\":1}},"
        "{\"name\":\"promote\",\"key\":{\"status\":1,\"hub.ready\":1,\"hub.not_before\":1}},"
        "{\"name\":\"by_name\",\"key\":{\"project_name\":1,\"task_name\":1,\"status\":1}},"
        "{\"name\":\"lease_runner\",\"key\":{\"hub.lease.runner\":1},\"sparse\":true},"
        "{\"name\":\"lease_expires\",\"key\":{\"hub.lease.expires\":1},\"sparse\":true},"
        "{\"name\":\"lease_token\",\"key\":{\"hub.lease.token\":1},\"sparse\":true}]}",
        "{\"createIndexes\":\"" OUTPUT "\",\"indexes\":["
        "{\"name\":\"chunk\",\"key\":{\"task_id\":1,\"attempt\":1,\"seq\":1},\"unique\":true}]}",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        bson_t *command = from_json(commands[i]), reply;
        run(connection, command, &reply);
        bson_destroy(command);
        bson_destroy(&reply);
    }
}

bson_t *task_document(const struct options *options, const bson_oid_t *id, int64_t milliseconds) {
    bson_t *task = bson_new();
    BSON_APPEND_OID(task, "_id", id);
    if (options->name != NULL) BSON_APPEND_UTF8(task, "task_name", options->name);
    BCON_APPEND(
        task, "project_name", options->project, "time", BCON_DATE_TIME(milliseconds),
        "hyper_parameters", "{", "}", "saved_result_keys", "[", "]", "status", "pending",
        "script", BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)options->script, (uint32_t)strlen(options->script)),
        "result", "{", "}",
        "hub", "{", "v", BCON_INT32(1), "ready", BCON_BOOL(true), "priority", BCON_INT32(0), "attempt", BCON_INT32(0),
            "max_failures", BCON_INT32(1), "failures", BCON_INT32(0), "interruptions", BCON_INT32(0), "lost",
            BCON_INT32(0), "}"
    );
    return task;
}
