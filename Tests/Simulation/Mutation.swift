/// A fault built into the agent or its disk on purpose, to prove that the oracles can fail (docs/simulation.md has the table).
///
/// Each is an interposition of the simulation between the machine and what carries its actions out; the product has no such switch.
package enum Mutation: String, CaseIterable, Sendable {
    /// `fdatasync` of the parts does nothing.
    case skipSyncParts = "skip-sync-parts"
    /// `fsync` of the folder does nothing, and the final row is written all the same.
    case skipSyncFolder = "skip-sync-folder"
    /// Parts are taken for verified without a look.
    case skipVerify = "skip-verify"
    /// The step that renames is reported done before it was.
    case recordBeforeRename = "record-before-rename"
    /// The replies of a window are taken for the requests in another order.
    case forgetWindowOrder = "forget-window-order"
    /// What settles in the cache folder is taken for a crop.
    case uploadOwnWrites = "upload-own-writes"
    /// A dead server is tried again at once.
    case noBackoff = "no-backoff"
    /// An inotify overflow is not noticed.
    case ignoreOverflow = "ignore-overflow"
    /// What changed in the upload folder while the agent was down is not looked for.
    case skipStartScan = "skip-start-scan"
    /// A crop is examined and sent while somebody writes it.
    case ignoreWriters = "ignore-writers"
    /// The event log gives a cursor twice.
    case repeatCursor = "repeat-cursor"
    /// Crops wait in the order in which they were found, not closed: the newest first.
    case newestCropFirst = "newest-crop-first"
    /// A file taken out of the cache is not noticed.
    case ignoreDeletion = "ignore-deletion"
}
