#include <fcntl.h>

// A process may be started with standard input, output or error closed. The first connection to MongoDB would get that
// number then, and whatever is printed would go to the server. In .preinit_array, before any library opens a file: what
// takes the place can be neither written to nor read from, so that whoever tries is told.

static void hold_streams(int count, char **arguments, char **environment) {
    (void)count;
    (void)arguments;
    (void)environment;
    for (int stream = 0; stream <= 2; stream++) {
        if (fcntl(stream, F_GETFD) == -1) open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
    }
}

__attribute__((section(".preinit_array"), used))
static void (*const before_libraries)(int, char **, char **) = hold_streams;
