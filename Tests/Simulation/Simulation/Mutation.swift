/// A fault built into the agent, its disk or the server on purpose, to prove that the oracles can fail (docs/simulation.md has the table).
///
/// Each is an interposition of the simulation between the machine and what carries its actions out; the product has no such switch.
package enum Mutation: String, CaseIterable, Sendable {
    /// `fdatasync` of the parts does nothing.
    case skipSyncParts = "skip-sync-parts"
    /// `fsync` of the folder does nothing, and the final row is written all the same.
    case skipSyncFolder = "skip-sync-folder"
    /// Parts are taken for verified without a look.
    case skipVerify = "skip-verify"
    /// The step that renames is reported done before it was: labels are told before the rename.
    case recordBeforeRename = "record-before-rename"
    /// The replies of a window are taken for the requests in another order.
    case forgetWindowOrder = "forget-window-order"
    /// After a cut the upload goes on behind the last reply that came, as if none had been lost.
    case ignoreLostReply = "ignore-lost-reply"
    /// Last chunks are sent one behind the other to every server, whatever it says of their order.
    case finishTogether = "finish-together"
    /// Our server works on the last chunks of one user beside each other, and says that it does not.
    case forgetIconOrder = "forget-icon-order"
    /// What settles in the cache folder is taken for a crop.
    case uploadOwnWrites = "upload-own-writes"
    /// A dead server is tried again at once.
    case noBackoff = "no-backoff"
    /// What a server refused is asked for again after every start.
    case forgetRefusals = "forget-refusals"
    /// A refusal holds until the wall clock says so, wherever that was set.
    case trustWallClock = "trust-wall-clock"
    /// An inotify overflow is not noticed.
    case ignoreOverflow = "ignore-overflow"
    /// What changed in the upload folder while the agent was down is not looked for.
    case skipStartScan = "skip-start-scan"
    /// A crop is examined and sent while somebody writes it.
    case ignoreWriters = "ignore-writers"
    /// A crop that is written anew while it is sent goes on with the new bytes.
    case ignoreCropChange = "ignore-crop-change"
    /// A part of before a power cut is gone on with.
    case keepPartsAcrossBoots = "keep-parts-across-boots"
    /// The event log gives a cursor twice.
    case repeatCursor = "repeat-cursor"
    /// Crops wait in the order in which they were found, not closed: the newest first.
    case newestCropFirst = "newest-crop-first"
    /// A file taken out of the cache is not noticed.
    case ignoreDeletion = "ignore-deletion"
    /// A command that the full disk kept from being carried out is taken for done.
    case hideFailures = "hide-failures"
    /// Where it cannot be noted that pictures are wanted, the catalog is taken to know nothing of them.
    case answerByNote = "answer-by-note"
    /// Crops that wait go to whoever is logged in.
    case shareCrops = "share-crops"
    /// What was in flight when the server hung up is not remembered.
    case forgetHangUps = "forget-hang-ups"
    /// Every refusal of an upload is taken for one that is about the file.
    case blameTheFile = "blame-the-file"
    /// A picture that the server has had before is not sent again.
    case skipKnownUploads = "skip-known-uploads"
    /// A connection that was accepted counts as a word of the server.
    case trustAcceptance = "trust-acceptance"
    /// What the server once did not have is taken for absent, whatever it sends later.
    case trustAbsence = "trust-absence"
    /// The token's file is not read again.
    case ignoreTokenFile = "ignore-token-file"
    /// A subscriber that hung up stays subscribed.
    case keepGoneSubscribers = "keep-gone-subscribers"
    /// That another folder lies at the path of one that is held is not noticed.
    case ignoreMovedFolders = "ignore-moved-folders"
    /// What was known of crops is forgotten when their folder comes back.
    case forgetCropFolders = "forget-crop-folders"
    /// Of a picture that is fetched again the size tells whether it is another.
    case compareSizes = "compare-sizes"
    /// A name that appears without a close is not looked at.
    case ignoreLinks = "ignore-links"
    /// That a file's mode or owner changed is not noticed.
    case ignoreModes = "ignore-modes"
    /// The server counts toward a user's quota only what was stored when an upload began.
    case forgetBegun = "forget-begun"
    /// The server trusts a token for later chunks of everything, once it was confirmed on the connection.
    case trustOldToken = "trust-old-token"
    /// The server takes a piece of an upload for the next one wherever it belongs, and says that it has less than it has.
    case ignoreOffsets = "ignore-offsets"
    /// Where the server keeps an upload in pieces is forgotten with each cut.
    case forgetPlaces = "forget-places"
    /// Where the server keeps an upload in pieces is forgotten with each start.
    case forgetKeptPlaces = "forget-kept-places"
    /// A picture is taken whatever digest the server promised.
    case ignoreDigests = "ignore-digests"
    /// The whole picture is taken for the rest that was asked for.
    case takeWholesForRests = "take-wholes-for-rests"
    /// An upload counts as answered when its last byte has left.
    case answerUploadsEarly = "answer-uploads-early"
    /// `Retry-After` is not read.
    case ignoreRetryAfter = "ignore-retry-after"
    /// That the stream told of a change is not heeded.
    case ignoreChanges = "ignore-changes"
    /// A reset of the stream of changes is not heeded.
    case ignoreResets = "ignore-resets"
    /// Where the disk is full, the place in the log of changes is kept without what was told before it.
    case keepPlaceAlone = "keep-place-alone"
    /// The place in the log of changes is kept, and not which pictures the changes were of.
    case forgetChanges = "forget-changes"
    /// What avatars are called is kept once, and not when it changes.
    case keepOldAvatars = "keep-old-avatars"
    /// What avatars are called is forgotten with each start.
    case forgetAvatars = "forget-avatars"
    /// The server goes on with a stream from now, wherever the last one ended.
    case skipMissedChanges = "skip-missed-changes"
    /// The server goes on with a stream from a place that its log does not reach any more.
    case ignoreCutLog = "ignore-cut-log"
    /// The server counts each request with the same wrong login.
    case countEveryLogin = "count-every-login"

    /// Which way all lives take to see what the mutation gets wrong.
    var way: LifeOptions.Way {
        switch self {
        case .ignoreOffsets, .forgetPlaces, .forgetKeptPlaces, .ignoreDigests, .takeWholesForRests, .answerUploadsEarly,
            .ignoreRetryAfter,
            .ignoreChanges,
            .ignoreResets, .keepPlaceAlone, .forgetChanges, .keepOldAvatars, .forgetAvatars, .skipMissedChanges,
            .ignoreCutLog,
            .countEveryLogin:
            .http
        default: .classic
        }
    }
}
