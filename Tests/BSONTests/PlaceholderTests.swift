import Testing

@Test func placeholderBSON() { #expect(Bool(true)) }
