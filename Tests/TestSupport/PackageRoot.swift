/// The absolute path of the package that these tests were built from.
public let packageRoot = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
