extension Dictionary where Key == ByteString, Value == String {
    /// The variables of an environment, `NAME=value` texts with a null pointer behind them, by their names. What has no
    /// name is left out.
    package init(variables: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
        self.init()
        var entry = variables
        while let text = entry.pointee {
            if let (name, value) = String(cString: text).bytes.cut(atFirst: "="), !name.isEmpty {
                self[name.bytes] = value
            }
            entry += 1
        }
    }
}
