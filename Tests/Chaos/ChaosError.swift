/// Why a fault could not be made, or what a trial needs is not there.
package struct ChaosError: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}
