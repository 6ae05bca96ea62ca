import Glibc
import MongoDriver
import TestSupport

/// A library that makes a program believe in a time of day that is off; monotonic clocks stay right. Loaded by
/// `LD_PRELOAD`.
///
/// The kernel is not deceived: a wait until some time of day, which the program has computed by the wrong clock, is
/// handed on as the right one, as it would be on a machine whose own clock is off.
package struct WrongClock: Sendable {
    package let library: String

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <pthread.h>
        #include <semaphore.h>
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static long offset(void) {
            const char *text = getenv("CHAOS_CLOCK_OFFSET");
            return text ? atol(text) : 0;
        }
        int clock_gettime(clockid_t clock, struct timespec *result) {
            int status = (int)syscall(SYS_clock_gettime, clock, result);
            if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) result->tv_sec += offset();
            return status;
        }
        int gettimeofday(struct timeval *result, void *zone) {
            struct timespec now;
            (void)zone;
            clock_gettime(CLOCK_REALTIME, &now);
            result->tv_sec = now.tv_sec;
            result->tv_usec = now.tv_nsec / 1000;
            return 0;
        }
        time_t time(time_t *result) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (result) *result = now.tv_sec;
            return now.tv_sec;
        }
        static void *original(const char *name, const char *version) {
            void *found = dlvsym(RTLD_NEXT, name, version);
            return found ? found : dlsym(RTLD_NEXT, name);
        }
        static struct timespec corrected(const struct timespec *until) {
            struct timespec result = *until;
            if (result.tv_sec > 1000000000) result.tv_sec -= offset();  // a time of day, not one since the boot
            return result;
        }
        int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
            int (*call)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *) =
                original("pthread_cond_timedwait", "GLIBC_2.3.2");
            struct timespec right = corrected(until);
            return call(condition, mutex, &right);
        }
        int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
            int (*call)(sem_t *, const struct timespec *) = original("sem_timedwait", "GLIBC_2.34");
            struct timespec right = corrected(until);
            return call(semaphore, &right);
        }

        """

    /// Compiles it into the folder and sees whether it works.
    ///
    /// - Throws: Why it does not: no compiler, or a loader that does not obey.
    package static func make(in folder: String) async throws -> WrongClock {
        let (source, library) = ("\(folder)/clock.c", "\(folder)/clock.so")
        try writeFile(source, Self.source)
        let compiler = try await OwnedProcess.start(
            [
                "sh", "-c",
                "cc -shared -fPIC -O1 -o \(library) \(source) || clang -shared -fPIC -O1 -o \(library) \(source)",
            ],
            output: "\(folder)/clock.log"
        )
        guard await compiler.waitForEnd(within: .seconds(60)), compiler.status == 0 else {
            throw ChaosError("the library for a wrong clock cannot be compiled (cc or clang)")
        }
        let clock = WrongClock(library: library)
        let dates = "\(folder)/clock.dates"
        let date = try await OwnedProcess.start(
            ["date", "+%s"],
            environment: clock.variables(offset: 3600).merging(["PATH": "/usr/bin:/bin"]) { $1 },
            output: dates
        )
        _ = await date.waitForEnd(within: .seconds(10))
        guard let seen = try? readLines(dates).first.flatMap(Int.init), seen - Glibc.time(nil) > 3000 else {
            throw ChaosError("the library for a wrong clock has no effect")
        }
        return clock
    }

    /// Why no clock can be made wrong here; `nil` where one can.
    package static func obstacle() async -> String? {
        do {
            try await withTemporaryDirectory { _ = try await make(in: $0) }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// - Parameter offset: Seconds; negative for the past.
    package func variables(offset: Int) -> [String: String] {
        ["LD_PRELOAD": library, "CHAOS_CLOCK_OFFSET": "\(offset)"]
    }
}
