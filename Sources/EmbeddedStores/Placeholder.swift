enum EmbeddedStoresPlaceholder {}
