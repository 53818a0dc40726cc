import Testing
@Test func placeholderServerRuntimeTests() {}
