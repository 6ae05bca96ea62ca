#include "floor.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: floor run|dispatch|insert|blobs|logs --uri URI [options]\n"
    "\n"
    "  run       runs COUNT tasks that are in the queue or come; prints tasks per second from the first claim to the\n"
    "            last acknowledged report\n"
    "  dispatch  inserts COUNT tasks, one after another, into an idle runner; prints the time to the script's start\n"
    "  insert    inserts COUNT tasks at once; prints tasks per second\n"
    "  blobs     stores a file in GridFS and fetches it; prints MiB per second\n"
    "  logs      inserts COUNT log entries in batches; prints entries per second\n"
    "\n"
    "  --db NAME           database (default: floor)\n"
    "  --project NAME      project of the tasks (default: default)\n"
    "  --name NAME         name of the tasks: inserted with it, and only these are run\n"
    "  --count N           how many tasks (default: 2000)\n"
    "  --slots N           attempts at once (default: 4)\n"
    "  --supervisor PATH   tensorhub-supervisor (run, dispatch)\n"
    "  --state DIRECTORY   attempt directories are made below it (run, dispatch)\n"
    "  --stamp PATH        the stamp program (dispatch)\n"
    "  --file PATH         what is stored; PATH.floor is made and removed (blobs)\n"
    "  --script TEXT       the tasks' script (insert; default: \"#!/bin/true\")\n"
    "  --batch N           log entries to a message (logs; default: 100)\n"
    "  --launchers N       threads that start attempts (default: 2)\n"
    "  --no-watch          hold no change stream open (run)\n";

double now_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int64_t now_realtime(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void fail(const char *what, const char *why) {
    fprintf(stderr, "floor: %s: %s\n", what, why);
    _exit(1);
}

static int number(const char *name, const char *text, int least, int most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end != 0 || value < least || value > most) fail(name, "is not a number that this program takes");
    return (int)value;
}

static struct options parse(int argc, char **argv) {
    static const struct option names[] = {
        {"uri", 1, 0, 'u'},   {"db", 1, 0, 'd'},     {"project", 1, 0, 'p'},   {"count", 1, 0, 'n'},
        {"slots", 1, 0, 's'}, {"state", 1, 0, 'D'},  {"supervisor", 1, 0, 'S'}, {"stamp", 1, 0, 't'},
        {"script", 1, 0, 'x'}, {"file", 1, 0, 'f'}, {"name", 1, 0, 'N'}, {"launchers", 1, 0, 'l'}, {"no-watch", 0, 0, 'W'},
        {"batch", 1, 0, 'b'}, {0, 0, 0, 0},
    };
    struct options options = {
        .database = "floor", .project = "default", .script = "#!/bin/true\n", .slots = 4, .count = 2000,
        .launchers = 2, .watch = true, .batch = 100,
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
            case 'u': options.uri = optarg; break;
            case 'd': options.database = optarg; break;
            case 'p': options.project = optarg; break;
            case 'N': options.name = optarg; break;
            case 'n': options.count = number("--count", optarg, 1, 10000000); break;
            case 's': options.slots = number("--slots", optarg, 1, MAX_SLOTS); break;
            case 'D': options.state = optarg; break;
            case 'S': options.supervisor = optarg; break;
            case 't': options.stamp = optarg; break;
            case 'f': options.file = optarg; break;
            case 'x': options.script = optarg; break;
            case 'l': options.launchers = number("--launchers", optarg, 1, 64); break;
            case 'b': options.batch = number("--batch", optarg, 1, 100000); break;
            case 'W': options.watch = false; break;
            default: exit(2);
        }
    }
    if (options.uri == NULL || argc - optind != 1) {
        fputs(usage, stderr);
        exit(2);
    }
    return options;
}

int main(int argc, char **argv) {
    struct options options = parse(argc, argv);
    const char *verb = argv[optind];
    bson_error_t error;
    // A warning of the library must not stand before the figures.
    mongoc_log_set_handler(NULL, NULL);
    mongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new_with_error(options.uri, &error);
    if (uri == NULL) fail("--uri", error.message);
    // Fencing makes every statement safe to repeat; the server need not remember it too.
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(uri);
    mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);

    if (strcmp(verb, "insert") == 0) {
        measure_insert(&options, pool);
        return 0;
    }
    if (strcmp(verb, "blobs") == 0) {
        measure_blobs(&options, pool);
        return 0;
    }
    if (strcmp(verb, "logs") == 0) {
        measure_logs(&options, pool);
        return 0;
    }
    if (options.supervisor == NULL || options.state == NULL) fail(verb, "--supervisor and --state are needed");
    if (strcmp(verb, "run") == 0) {
        struct runner *runner = runner_start(&options, pool);
        runner_wait(runner, options.count);
        double seconds = runner_seconds(runner);
        printf("{\"tasks\":%d,\"seconds\":%.6f,\"per_second\":%.1f}\n", options.count, seconds, options.count / seconds);
    } else if (strcmp(verb, "dispatch") == 0) {
        if (options.stamp == NULL) fail(verb, "--stamp is needed");
        measure_dispatch(&options, pool);
    } else {
        fputs(usage, stderr);
        return 2;
    }
    fflush(stdout);
    _exit(0);  // the threads wait for work that does not come
}
