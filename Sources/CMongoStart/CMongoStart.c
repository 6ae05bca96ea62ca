#include "CMongoStart.h"

// libmongoc may initialize itself when it is loaded, before anything of ours runs, and warns on standard error where
// its file in /dev/shm cannot be made. Functions in .preinit_array, which only executables have, come before that.

typedef void (*log_handler)(int level, const char *domain, const char *message, void *context);

extern void mongoc_log_set_handler(log_handler handler, void *context) __attribute__((weak));

static void ignore(int level, const char *domain, const char *message, void *context) {
    (void)level;
    (void)domain;
    (void)message;
    (void)context;
}

static void set_handler(int count, char **arguments, char **environment) {
    (void)count;
    (void)arguments;
    (void)environment;
    if (mongoc_log_set_handler) mongoc_log_set_handler(ignore, 0);
}

__attribute__((section(".preinit_array"), used))
static void (*const before_libraries)(int, char **, char **) = set_handler;
