import Testing

@Test func placeholderTaskRunner() { #expect(Bool(true)) }
