import Glibc
import Settings

/// `TENSORHUB_TEST_LEASE`, in seconds: a lease shorter than the setting allows, so that a lost runner costs a test
/// seconds instead of minutes. For tests alone, and so no setting: under so short a lease a moment of load takes
/// healthy work away.
enum TestLease {
    static let variable = "TENSORHUB_TEST_LEASE"

    /// Puts it in place of the setting, if it is given.
    static func apply(to settings: inout Settings) {
        guard let text = getenv(variable), let lease = Quantity.duration(String(cString: text)), lease > .zero else {
            return
        }
        settings.lease = lease
    }
}
