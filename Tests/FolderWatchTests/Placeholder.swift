import Testing
@Test func placeholderFolderWatchTests() {}
