enum WireProtocolPlaceholder {}
