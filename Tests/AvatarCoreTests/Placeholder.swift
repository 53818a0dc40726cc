import Testing
@Test func placeholderAvatarCoreTests() {}
