import Testing

@Test func placeholderTensorHub() { #expect(Bool(true)) }
