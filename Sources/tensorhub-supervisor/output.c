// Output on disk in bounded space, with offsets that never lie.
//
// The file is written at the offset that the bytes have in the script's output. Once it is longer than the limit, its
// middle is given back to the file system in whole MiB: with tail = limit - head, the hole is
//
//     [head, floor((size - tail) / 1 MiB) * 1 MiB)   when that is more than nothing.
//
// Bytes are written first and the middle is freed after. So a reader that reads, then asks for the size, then applies
// this formula knows which of the bytes it has read may have been zeros of the hole, without any lock.
#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

static int64_t hole_end(const struct output *output, int64_t size) {
    int64_t tail = output->limit - output->head;
    int64_t end = size > tail ? (size - tail) / MIB * MIB : 0;
    return end > output->head ? end : 0;
}

static int free_range(int file, int64_t from, int64_t to) {
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
}

int output_open(struct output *output, int journal, int64_t limit, int64_t head) {
    *output = (struct output){.limit = limit, .head = head < limit ? head : limit};
    output->file = openat(journal, "output.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return output->file < 0 ? errno : 0;
}

// Whether the file may grow past the limit: only where its middle can be freed again. Tried beyond the end, before the
// first byte past the limit, so that the formula above holds for every size that a reader can see.
static bool may_reach(struct output *output, int64_t size) {
    if (size <= output->limit || output->limit_passed) return true;
    output->limit_passed = free_range(output->file, size + MIB, size + 2 * MIB) == 0;
    return output->limit_passed;
}

void output_append(struct output *output, const char *bytes, size_t count) {
    output->total += (int64_t)count;
    if (output->error != 0 || output->limit_reached) return;

    size_t keep = count;
    if (!may_reach(output, output->stored + (int64_t)count)) {
        keep = (size_t)(output->limit - output->stored);
        output->limit_reached = true;
    }
    while (keep > 0) {
        ssize_t written = pwrite(output->file, bytes, keep, output->stored);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            output->error = written < 0 ? errno : ENOSPC;
            return;
        }
        bytes += written;
        keep -= (size_t)written;
        output->stored += written;
    }

    int64_t end = hole_end(output, output->stored);
    int64_t freed = output->punched_to > 0 ? output->punched_to : output->head;
    if (end > freed) {
        if (free_range(output->file, freed, end) == 0) output->punched_to = end;
        else output->error = errno;
    }
}
