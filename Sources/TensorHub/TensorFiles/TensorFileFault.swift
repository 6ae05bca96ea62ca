/// Why a file is not what it says that it is.
struct TensorFileFault: Error {
    var message: String

    init(_ message: String) {
        self.message = message
    }
}
