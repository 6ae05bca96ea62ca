// The threads of a runner, each with one thing to wait for:
//
//     claimer --tasks--> launchers --pidfd--> collector --ends--> reporter --directories--> launchers
//        ^                                        |
//        +--------------- a slot is free ---------+          watcher: change events wake the claimer
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HINTS = 64 };
static const int poll_seconds = 5;
// Between two reports: each makes the server flush its journal, and no slot waits for one.
static const double report_interval = 0.02;

struct queue {
    struct attempt *first, **last;
};

struct runner {
    const struct options *options;
    struct connection claiming, reporting, watching;
    int attempts_directory, epoll;

    pthread_mutex_t lock;
    pthread_cond_t may_claim, may_launch, may_report, progress;
    int free_slots;
    bool look;  // there may be more in the queue than the events told
    bson_oid_t hints[HINTS];
    int hint_count;
    struct queue claimed, ended, reported;
    int done_count;
    double first_claim, last_report;
};

static void push(struct queue *queue, struct attempt *attempt) {
    attempt->next = NULL;
    *queue->last = attempt;
    queue->last = &attempt->next;
}

static struct attempt *pop(struct queue *queue) {
    struct attempt *attempt = queue->first;
    if (attempt != NULL && (queue->first = attempt->next) == NULL) queue->last = &queue->first;
    return attempt;
}

static struct attempt *pop_all(struct queue *queue) {
    struct attempt *attempts = queue->first;
    *queue = (struct queue){NULL, &queue->first};
    return attempts;
}

static void start_thread(void *(*body)(void *), struct runner *runner) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, runner) != 0) fail("thread", "cannot be created");
    pthread_detach(thread);
}

static void *claim_tasks(void *context) {
    struct runner *runner = context;
    pthread_mutex_lock(&runner->lock);
    for (;;) {
        while (runner->free_slots == 0 || (!runner->look && runner->hint_count == 0)) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += poll_seconds;
            int error = pthread_cond_timedwait(&runner->may_claim, &runner->lock, &until);
            if (error == ETIMEDOUT) runner->look = true;
        }
        int wanted = runner->free_slots;
        bson_oid_t hints[HINTS];
        int hint_count = runner->hint_count;
        memcpy(hints, runner->hints, sizeof hints);
        runner->hint_count = 0;
        bool look = runner->look || hint_count > wanted;
        runner->look = false;
        pthread_mutex_unlock(&runner->lock);

        bson_t *tasks[MAX_SLOTS];
        int got = 0;
        double began = now_seconds();
        if (look) {
            got = claim(&runner->claiming, wanted, tasks);
        } else {
            for (int i = 0; i < hint_count; i++) {
                if ((tasks[got] = claim_by_id(&runner->claiming, &hints[i])) != NULL) got++;
            }
        }
        pthread_mutex_lock(&runner->lock);
        if (got > 0 && runner->first_claim == 0) runner->first_claim = began;
        if (look && got == wanted) runner->look = true;
        runner->free_slots -= got;
        for (int i = 0; i < got; i++) push(&runner->claimed, attempt_new(tasks[i]));
        if (got == 1) pthread_cond_signal(&runner->may_launch);
        else pthread_cond_broadcast(&runner->may_launch);
    }
    return NULL;
}

// Starts attempts; with nothing to start it cleans up.
static void *launch_attempts(void *context) {
    struct runner *runner = context;
    pthread_mutex_lock(&runner->lock);
    for (;;) {
        struct attempt *attempt;
        if ((attempt = pop(&runner->claimed)) != NULL) {
            pthread_mutex_unlock(&runner->lock);
            attempt_start(attempt, runner->options, runner->attempts_directory);
            // Once: a process that the other launcher is just starting may hold a copy of a pidfd that we have closed.
            struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = attempt};
            if (epoll_ctl(runner->epoll, EPOLL_CTL_ADD, attempt->pidfd, &event) != 0) fail("epoll", strerror(errno));
            pthread_mutex_lock(&runner->lock);
        } else if ((attempt = pop(&runner->reported)) != NULL) {
            pthread_mutex_unlock(&runner->lock);
            attempt_discard(attempt, runner->attempts_directory);
            pthread_mutex_lock(&runner->lock);
            runner->done_count++;
            pthread_cond_broadcast(&runner->progress);
        } else {
            pthread_cond_wait(&runner->may_launch, &runner->lock);
        }
    }
    return NULL;
}

static void *collect_attempts(void *context) {
    struct runner *runner = context;
    struct epoll_event events[MAX_SLOTS];
    for (;;) {
        int count = epoll_wait(runner->epoll, events, MAX_SLOTS, -1);
        if (count < 0 && errno != EINTR) fail("epoll", strerror(errno));
        for (int i = 0; i < count; i++) {
            struct attempt *attempt = events[i].data.ptr;
            siginfo_t status;
            if (waitid(P_PIDFD, (id_t)attempt->pidfd, &status, WEXITED) != 0) fail("waitid", strerror(errno));
            close(attempt->pidfd);
            if (status.si_code != CLD_EXITED || status.si_status != 0) fail("supervisor", "did not end well");
        }
        if (count <= 0) continue;
        // The slots first: everything after this is behind the next claim, not before it.
        pthread_mutex_lock(&runner->lock);
        runner->free_slots += count;
        pthread_cond_signal(&runner->may_claim);
        pthread_mutex_unlock(&runner->lock);
        for (int i = 0; i < count; i++) attempt_collect(events[i].data.ptr, runner->attempts_directory);
        pthread_mutex_lock(&runner->lock);
        for (int i = 0; i < count; i++) push(&runner->ended, events[i].data.ptr);
        pthread_cond_signal(&runner->may_report);
        pthread_mutex_unlock(&runner->lock);
    }
    return NULL;
}

static void *report_attempts(void *context) {
    struct runner *runner = context;
    double due = 0;
    pthread_mutex_lock(&runner->lock);
    for (;;) {
        while (runner->ended.first == NULL) pthread_cond_wait(&runner->may_report, &runner->lock);
        double early = due - now_seconds();
        if (early > 0) {
            pthread_mutex_unlock(&runner->lock);
            usleep((useconds_t)(early * 1e6));
            pthread_mutex_lock(&runner->lock);
        }
        struct attempt *attempts = pop_all(&runner->ended);
        pthread_mutex_unlock(&runner->lock);
        due = now_seconds() + report_interval;
        report(&runner->reporting, attempts);
        pthread_mutex_lock(&runner->lock);
        runner->last_report = now_seconds();
        for (struct attempt *next; attempts != NULL; attempts = next) {
            next = attempts->next;
            push(&runner->reported, attempts);
        }
        pthread_cond_signal(&runner->may_launch);
    }
    return NULL;
}

static void *watch_events(void *context) {
    struct runner *runner = context;
    mongoc_change_stream_t *stream = watch_queue(&runner->watching);
    for (;;) {
        const bson_t *event;
        bson_error_t error;
        bson_iter_t root, id;
        if (!mongoc_change_stream_next(stream, &event)) {
            if (mongoc_change_stream_error_document(stream, &error, &event)) fail("change stream", error.message);
            continue;
        }
        if (!bson_iter_init(&root, event) || !bson_iter_find_descendant(&root, "documentKey._id", &id)
            || !BSON_ITER_HOLDS_OID(&id)) continue;
        pthread_mutex_lock(&runner->lock);
        if (runner->hint_count < HINTS) bson_oid_copy(bson_iter_oid(&id), &runner->hints[runner->hint_count++]);
        else runner->look = true;
        pthread_cond_signal(&runner->may_claim);
        pthread_mutex_unlock(&runner->lock);
    }
    return NULL;
}

struct runner *runner_start(const struct options *options, mongoc_client_pool_t *pool) {
    struct runner *runner = NULL;
    if (posix_memalign((void **)&runner, 128, sizeof *runner) != 0) fail("runner", "no memory");
    memset(runner, 0, sizeof *runner);
    runner->options = options;
    runner->attempts_directory = open_attempts_directory(options);
    runner->epoll = epoll_create1(EPOLL_CLOEXEC);
    runner->free_slots = options->slots;
    runner->look = true;
    runner->claimed.last = &runner->claimed.first;
    runner->ended.last = &runner->ended.first;
    runner->reported.last = &runner->reported.first;
    pthread_mutex_init(&runner->lock, NULL);
    pthread_cond_t *conditions[] = {&runner->may_claim, &runner->may_launch, &runner->may_report, &runner->progress};
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) pthread_cond_init(conditions[i], NULL);
    bson_oid_t id;
    bson_oid_init(&id, NULL);
    connection_open(&runner->claiming, pool, options, &id);
    connection_open(&runner->reporting, pool, options, &id);
    create_indexes(&runner->claiming);
    if (options->watch) {
        connection_open(&runner->watching, pool, options, &id);
        start_thread(watch_events, runner);
    }
    for (int i = 0; i < options->launchers; i++) start_thread(launch_attempts, runner);
    start_thread(collect_attempts, runner);
    start_thread(report_attempts, runner);
    start_thread(claim_tasks, runner);
    return runner;
}

void runner_wait(struct runner *runner, int count) {
    pthread_mutex_lock(&runner->lock);
    while (runner->done_count < count) pthread_cond_wait(&runner->progress, &runner->lock);
    pthread_mutex_unlock(&runner->lock);
}

double runner_seconds(struct runner *runner) { return runner->last_report - runner->first_claim; }
