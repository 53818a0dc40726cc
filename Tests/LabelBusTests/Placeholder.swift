import Testing
@Test func placeholderLabelBusTests() {}
