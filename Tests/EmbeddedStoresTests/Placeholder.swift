import Testing
@Test func placeholderEmbeddedStoresTests() {}
