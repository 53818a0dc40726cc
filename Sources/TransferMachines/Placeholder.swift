enum TransferMachinesPlaceholder {}
