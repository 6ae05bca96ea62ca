// The script of the dispatch measurement: tells the time at which it began, through the named pipe of its first
// argument.
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t nanoseconds = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    int file = count > 1 ? open(arguments[1], O_WRONLY) : -1;
    return file < 0 || write(file, &nanoseconds, sizeof nanoseconds) != sizeof nanoseconds;
}
