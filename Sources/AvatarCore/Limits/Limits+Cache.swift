extension Limits {
    /// The cache folder, its catalog and the upload folder.
    package enum Cache {
        /// Part files that are kept open between two chunks.
        package static let openPartsMax = 64
        /// Threads that sync part files at once, so that the journal's commits and the disk's flushes are shared.
        package static let syncThreadsMax = 8
        /// Events kept for clients that come back with an old cursor.
        package static let eventsMax = 10_000
        /// Rows of the negative cache; the ones that end first go first.
        package static let negativesMax = 20_000
        /// Rows that one page of a list may ask for.
        package static let pageRowsMax = 1_000
        /// Differences handed out in one batch while folder and catalog are compared.
        package static let differencesPerBatchMax = 256
        /// Recorded files that are read again in one go, after the machine went down: the disk thread has other work between two pages.
        package static let auditPageRows = 64
        /// Damaged catalogs kept beside the new one, for whoever wants to look at them.
        package static let damagedCatalogsMax = 5
        /// Crops whose descriptor stays open while they are sent.
        package static let openCropsMax = 4
    }
}
