import Testing

@testable import tensorhub_bench

@Suite struct BenchTests {
    @Test func `Two halves of like figures are close and their spread has one inside`() throws {
        let quiet = try #require(BenchSpread.range([100, 101, 99, 100, 102, 98, 100, 101, 99]))
        #expect(quiet.contains(1) && quiet.lowerBound > 0.97 && quiet.upperBound < 1.03)
        let noisy = try #require(BenchSpread.range([100, 140, 80, 100, 150, 70, 100, 130, 90]))
        #expect(noisy.lowerBound < quiet.lowerBound && noisy.upperBound > quiet.upperBound)
        #expect(try #require(BenchSpread.range([1, 1, 1, 1], [1, 2, 1, 2])).upperBound > 1.4)
    }

    @Test func `Of few or odd figures there is no spread`() {
        #expect(BenchSpread.range([1, 2, 3]) == nil)
        #expect(BenchSpread.range([1, 2, 3, 0]) == nil)
        #expect(BenchSpread.range([1, 2, 3, .nan]) == nil)
        #expect(BenchSpread.range([Double](repeating: 5, count: 40)) == 1...1)
    }

    @Test func `Calls are counted once and those that make or change a file apart`() {
        let text = """
            12    openat(AT_FDCWD, "a"..., O_RDONLY|O_CLOEXEC) = 3
            12    openat(AT_FDCWD, "a"..., O_WRONLY|O_CREAT|O_CLOEXEC, 0600 <unfinished ...>
            34    wait4(-1,  <unfinished ...>
            12    <... openat resumed>) = 4
            12    mkdirat(3, ""..., 0755) = 0
            12    renameat(3, ""..., 3, ""...) = 0
            12    unlinkat(3, ""..., AT_REMOVEDIR) = -1 ENOTEMPTY (Directory not empty)
            34    --- SIGCHLD {si_signo=SIGCHLD} ---
            34    +++ exited with 0 +++

            """
        #expect(BenchTrace.count(text.utf8) == BenchTrace.Counts(calls: 6, made: 2, changed: 2))
    }
}
