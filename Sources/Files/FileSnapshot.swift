/// What tells whether somebody changes files between two looks at them. Each look blocks.
package struct FileSnapshot: Sendable {
    private let names: [String]
    /// `nil` for one that is not there.
    private let states: [FileState?]

    /// - Parameter files: In an order that is the same at each look.
    package init(_ files: [(name: String, path: String)], followingLinks: Bool = true) {
        names = files.map(\.name)
        states = files.map { FileState($0.path, followingLinks: followingLinks) }
    }

    /// How long to wait until any further change shows.
    package var unsureFor: Duration { states.lazy.compactMap { $0?.unsureFor }.max() ?? .zero }

    /// The name of the first file that is new, gone or changed; `nil` where all is as it was.
    package func difference(from other: FileSnapshot) -> String? {
        for (index, name) in (names.count < other.names.count ? other.names : names).enumerated() {
            guard index < names.count, index < other.names.count,
                names[index].utf8.elementsEqual(other.names[index].utf8), states[index] == other.states[index]
            else { return name }
        }
        return nil
    }
}
