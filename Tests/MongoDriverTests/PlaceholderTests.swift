import Testing

@Test func placeholderMongoDriver() { #expect(Bool(true)) }
