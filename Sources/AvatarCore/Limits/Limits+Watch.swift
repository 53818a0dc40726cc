extension Limits {
    /// The folder watch.
    package enum Watch {
        /// Folders watched at once: upload and cache, and room for one more of each.
        package static let foldersMax = 4
        /// Events handed over in one batch.
        package static let eventsPerBatchMax = 512
        /// select(2), which libinotifytools waits with, cannot take a descriptor of this number or above (FD_SETSIZE).
        package static let descriptorMax: Int32 = 1024
    }
}
