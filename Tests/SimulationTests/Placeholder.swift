import Testing
@Test func placeholderSim() {}
