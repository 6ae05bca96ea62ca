import CLinux

/// Memory of messages that come and go by the megabyte. Given back and taken anew each time, it costs a page fault for
/// every 4 KiB, which is a seventh of the time of a download. A command that ends with its transfer keeps it; the
/// daemon does not.
package enum RetainedMemory {
    /// From here on nothing that was freed goes back to the system before there are 256 MiB of it (`mallopt(3)`).
    package static func begin() {
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 256 << 20)
    }
}
