import Testing
@Test func placeholderAvatarCacheTests() {}
