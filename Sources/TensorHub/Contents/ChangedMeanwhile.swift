/// Something has changed while it was read, so that what was read may never have been there as a whole.
package struct ChangedMeanwhile: Error {
    package init() {}
}

extension HubError {
    /// - Parameter path: Of the file or folder.
    package static func changed(_ path: String) -> HubError {
        HubError(
            .invalidInput,
            field: "files",
            "\(path) changes while it is stored, also when it is read again; nothing was stored: wait until nobody "
                + "writes to it, or store a copy",
            underlying: ChangedMeanwhile()
        )
    }

    package var isChange: Bool { underlying is ChangedMeanwhile }
}
