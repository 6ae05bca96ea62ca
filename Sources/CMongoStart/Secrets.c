#include "CMongoStart.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The command line of a process is for every user of the machine to read, and its first environment for every process
// of the same user. Both lie in memory of this process, where a password can be overwritten. In .preinit_array, before
// the libraries are initialized: what comes before that, nobody can hide.

static int argument_count;
static char **arguments;

int tensorhub_argument_count(void) { return argument_count; }

const char *tensorhub_argument(int index) { return index >= 0 && index < argument_count ? arguments[index] : 0; }

// Puts at most three asterisks in the place of the bytes from `start` to `end`, and moves up what follows.
static void hide(char *start, char *end) {
    size_t length = (size_t)(end - start), rest = strlen(end);
    size_t stars = length < 3 ? length : 3;
    memset(start, '*', stars);
    memmove(start + stars, end, rest);
    memset(start + stars + rest, 0, length - stars);
}

static int holds_word(const char *text, const char *word) {
    size_t length = strlen(word);
    for (; *text; text++) {
        if (strncasecmp(text, word, length) == 0) return 1;
    }
    return 0;
}

// Hides the password of a connection string, whether it can be parsed or not: from the colon behind the user to the
// last @.
static void hide_login(char *uri) {
    char *at = strrchr(uri, '@');
    size_t hosts = strcspn(uri, "/?");
    if (at) {
        char *colon = memchr(uri, ':', (size_t)(at - uri));
        if (colon) {
            hide(colon + 1, at);
        } else if (holds_word(uri, "%3a")) {
            hide(uri, at);
        }
    } else {
        // A port that is no number may be the password of a login without a host.
        for (char *colon = memchr(uri, ':', hosts); colon; colon = strchr(colon + 1, ':')) {
            size_t digits = strspn(colon + 1, "0123456789");
            if (colon[1 + digits] && !strchr(",/?:]", colon[1 + digits])) {
                hide(colon + 1, colon + strlen(colon));
                break;
            }
        }
    }
    char *options = strchr(uri, '?');
    if (options && (holds_word(options, "password") || holds_word(options, "properties") || holds_word(options, "token") ||
                    holds_word(options, "secret") || strchr(options, '%'))) {
        hide(options + 1, options + strlen(options));
    }
}

// Hides what `text` holds of connection strings.
static void hide_in(char *text, int is_uri) {
    char *scheme = strstr(text, "mongodb");
    char *start = scheme ? strstr(scheme, "://") : 0;
    if (start) {
        hide_login(start + 3);
    } else if (is_uri) {
        hide_login(text);
    }
}

static int begins_with(const char *text, const char *beginning) { return strncmp(text, beginning, strlen(beginning)) == 0; }

// A copy is made first, so nothing is hidden where there is no memory for one.
static void keep(int count, char **values, char **environment) {
    char **copies = calloc((size_t)count + 1, sizeof *copies);
    arguments = values;
    argument_count = count;
    if (!copies) return;
    for (int index = 0; index < count; index++) {
        copies[index] = strdup(values[index]);
        if (!copies[index]) return;
    }
    arguments = copies;
    for (int index = 1; index < count; index++) {
        char *text = values[index];
        int follows = strcmp(copies[index - 1], "--uri") == 0;
        if (begins_with(text, "--uri=")) {
            hide_in(text + 6, 1);
        } else {
            hide_in(text, follows);
        }
    }
    for (; environment && *environment; environment++) {
        if (!begins_with(*environment, "TENSORHUB_URI=")) continue;
        char *copy = strdup(*environment);
        if (!copy) return;
        char *original = *environment;
        *environment = copy;
        hide_in(original, 1);
    }
}

__attribute__((section(".preinit_array"), used))
static void (*const before_libraries)(int, char **, char **) = keep;
