import Testing
@Test func placeholderTransferMachinesTests() {}
