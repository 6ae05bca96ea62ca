#include "CLinux.h"

#include <sys/file.h>

int tensorhub_lock(int file, int wait) {
    return flock(file, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
}
