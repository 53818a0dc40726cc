extension Limits {
    /// The folder watch.
    package enum Watch {
        /// Folders watched at once: upload and cache, and room for one more of each.
        package static let foldersMax = 4
        /// Events handed over in one batch.
        package static let eventsPerBatchMax = 512
        /// Batches that one flush hands over at most: more than the kernel's queue holds by default.
        package static let flushBatchesMax = 64
        /// Names of a shared folder whose closes are counted at once.
        package static let closesMax = 16_384
        /// select(2), which libinotifytools waits with, cannot take a descriptor of this number or above (FD_SETSIZE).
        package static let descriptorMax: Int32 = 1024
        /// Folders on the way to one path, symlinks counted with what they lead through.
        package static let trailStepsMax = 64
        /// Symlinks on the way to one path: as many as the kernel follows (path_resolution(7)).
        package static let trailLinksMax = 40
        /// How often the ways are gone again until nothing moved while they were being watched.
        package static let trailRoundsMax = 4
    }
}
