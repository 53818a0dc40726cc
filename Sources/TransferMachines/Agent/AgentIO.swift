package import AvatarCore

/// What reaches the agent's machine, one at a time.
package enum AgentInput: Hashable, Sendable {
    /// Somebody is logged in at a server; a second one replaces the first.
    case login(Login)
    case logout
    /// Somebody should be logged in, and cannot be.
    case loginUnusable(reason: String)
    case connection(ConnectionEvent)
    case reply(ServerReply)
    case disk(DiskResult)
    case folder(FolderChange)
    case bus(StreamID, BusCall)
    /// The stream's client is gone, or its queue was full.
    case hungUp(StreamID)
    /// An address or a route changed: a dead server may live now.
    case networkChanged
    /// A deadline may have passed.
    case tick
}

/// What the agent's machine wants done, in this order.
package enum AgentAction: Hashable, Sendable {
    case connect(Int)
    case disconnect(Int)
    case send(ServerRequest)
    case disk(DiskCommand)
    case bus(BusOutput)
    /// A person would want to know.
    case note(Note)
    /// Watch a folder that was lost; `FolderChange.lost` tells how it went.
    case attach(WatchedFolder)
}

/// What the catalog said when it was opened.
package struct StartFacts: Hashable, Sendable {
    /// The name of the user's own avatar, if one is known.
    package var icon: AvatarName?
    /// Crops that are not uploaded, in the order in which they were closed.
    package var crops: [Crop] = []
    /// Crops that were to be uploaded and whose files are others now, or cannot be read: to be looked at.
    package var doubtful: [AvatarName] = []
    /// Whether the catalog was lost: what lies in the folders is a baseline.
    package var isBaseline = false
    /// Whether the machine went down under the last run: every recorded file is to be read again.
    package var needsAudit = false

    /// An empty catalog.
    package init() {}
}

/// Who is logged in, and where.
package struct Login: Hashable, Sendable {
    /// Tells servers apart: host and port.
    package let server: String
    package let uid: UserID
    /// The chunk size for uploads, bytes.
    package let uploadChunkBytes: Int64
    /// Counts the tokens that this agent has used, over all its lives: what another token was refused may be had with this one.
    package let tokenEpoch: Int64

    /// A login with all that it needs; the token stays with the driver.
    package init(server: String, uid: UserID, uploadChunkBytes: Int64, tokenEpoch: Int64) {
        self.server = server
        self.uid = uid
        self.uploadChunkBytes = uploadChunkBytes
        self.tokenEpoch = tokenEpoch
    }
}

/// What became of a connection; the number is the one of `connect`.
package enum ConnectionEvent: Hashable, Sendable {
    case opened(Int)
    case closed(Int, cause: String)
}

/// What the agent sends; the driver adds uid and token, and encodes.
package enum ServerRequest: Hashable, Sendable {
    case download(name: AvatarName, seq: Int64)
    case upload(Crop, UploadMachine.Chunk)
    case askProgress(Crop)
}

/// What the server sends, decoded. `connection` is the one it came on.
package struct ServerReply: Hashable, Sendable {
    /// The reply's kind.
    package enum Kind: Hashable, Sendable {
        /// 1034; `name` is nil where an error holds none.
        case download(name: String?, DownloadMachine.Reply)
        /// 1032.
        case upload(error: Int, name: ExactString?, md5: String?, seq: Int64?)
        /// 1006.
        case progress(name: ExactString?, UploadMachine.Progress)
        /// A frame that was understood and means nothing here.
        case other
        /// A frame that could not be understood.
        case unreadable(String)
    }

    package let connection: Int
    package let kind: Kind

    /// A reply on that connection.
    package init(connection: Int, kind: Kind) {
        self.connection = connection
        self.kind = kind
    }
}

/// Which of the two folders.
package enum WatchedFolder: String, Hashable, Sendable {
    case crops
    case cache
}

/// What the watch saw.
package enum FolderChange: Hashable, Sendable {
    /// A file was closed after writing, or moved in.
    case settled(WatchedFolder, AvatarName)
    /// A file was removed or moved away.
    case gone(WatchedFolder, AvatarName)
    /// A file was closed after writing, or moved in, under a name that no avatar may have.
    case unnameable(WatchedFolder, AvatarNameError)
    /// Events were lost: look at everything.
    case overflow
    /// The folder itself is gone, or cannot be watched.
    case lost(WatchedFolder, reason: String, remedy: String?)
    /// The folder is watched again.
    case back(WatchedFolder)
}

/// What the disk thread is to do, in order.
package enum DiskCommand: Hashable, Sendable {
    /// Bring an earlier run to its end, and say what to start from: `started` or `notStarted`.
    case start
    /// Everything the catalog knows of these names; `touch` where a label or a person wants them now.
    case lookUp([AvatarName], touch: Bool)
    /// These were wanted until now: among what nobody wants they are evicted last.
    case touch([AvatarName])
    case beginPart(AvatarName, totalSize: Int64, chunkSize: Int64)
    case append(AvatarName, offset: Int64, bytes: [UInt8])
    case discardPart(AvatarName)
    /// Remove parts that are too old to go on from; these stay.
    case trimParts(keep: [AvatarName])
    case commit(CommitMachine.Step, [CommitMachine.Item])
    /// Is this a crop, and is it new? Always answered by `examined`.
    case examine(AvatarName, ExamineMode)
    /// In a shared folder: what the rule says of the candidate that `examined` named. Without a refusal it is recorded as a crop and
    /// `examined` comes again; a refusal is remembered.
    case judged(AvatarName, SharedFolderRule.Refusal?)
    /// In a shared folder: takes a complete picture that somebody else has placed for what it is.
    case adopt(AvatarName)
    /// The bytes of a crop, if it is still the file that was examined.
    case readCrop(CropID, seq: Int64, range: Range<Int64>)
    /// Copies an uploaded crop into a part.
    case stageCrop(CropID)
    /// The crop is on the server: a durable note of it, and it is the user's icon.
    case finishCrop(CropID)
    /// The crop left the line before it was sent, or stays out of the cache: nothing more is asked of it.
    case forgetCrop(CropID)
    /// The crop is set aside, with the reason.
    case setCropAside(CropID, reason: String)
    case setNegative(AvatarName, AbsenceReason)
    case clearNegatives([AvatarName])
    /// Lifts every refusal that was learned under another token than this epoch's.
    case clearNegativesOfOtherTokens(than: Int64)
    /// Look at one name of the cache again: is it still what the catalog says?
    case inspect(AvatarName)
    /// Compare the whole folder with the catalog.
    case rescan(WatchedFolder)
    /// Read a page of recorded files again, and compare their digests.
    case audit(after: AvatarName?)
    /// Bring the cache under its bound; these stay.
    case evict(keep: [AvatarName])
    case forget(AvatarName)
    /// Copy a file into the crops folder on a person's behalf.
    case importCrop(StreamID, path: String)
    case readEvents(StreamID, since: Int64?, epoch: String?)
    case list(StreamID, state: AvatarView.State?, after: AvatarName?, limit: Int)
    /// Does the disk take writes again?
    case probe
}

/// What the disk thread found or did.
package enum DiskResult: Hashable, Sendable {
    /// The catalog is open, and an earlier run was brought to its end: nothing is fetched, sent or looked through before it.
    case started(StartFacts)
    /// It could not be: tried again when the disk takes writes.
    case notStarted(StorageFault)
    case lookedUp([CatalogRow])
    /// Something else was written into the event log.
    case logged([AvatarEvent])
    /// The cache holds more bytes than it may.
    case overfull
    case wrote(AvatarName, through: Int64)
    /// The part is not what the bytes were meant for: somebody took it away.
    case partLost(AvatarName)
    /// A part could not be begun or written.
    case partFailed(AvatarName, StorageFault)
    /// The file system takes no file of that name, whatever room there is.
    case partRefused(AvatarName, reason: String)
    case committed(CommitMachine.Step, [CommitOutcome])
    case examined(AvatarName, Examination)
    case cropRead(CropID, seq: Int64, bytes: [UInt8])
    /// The file is not the one that was examined any more, or it is gone.
    case cropChanged(CropID)
    case cropStaged(CropID)
    /// In a shared folder the crop lies where its copy would: it has a row now.
    case cropAdopted(CropID, AvatarRecord, [AvatarEvent])
    case cropNotStaged(CropID, StorageFault)
    case cropFinished(CropID, AvatarName, [AvatarEvent])
    case cropNotFinished(CropID, StorageFault)
    /// A cache file is not what the catalog said; its row is gone, with this event.
    case vanished(AvatarName, [AvatarEvent])
    /// A rescan found files of the upload folder to examine, oldest first, and cache files that are gone.
    case rescanned(
        WatchedFolder, settled: [AvatarName], unnameable: [AvatarNameError], vanished: [AvatarName],
        events: [AvatarEvent])
    /// The folder could not be looked through: what changed in it is still to be found.
    case notRescanned(WatchedFolder, StorageFault)
    /// The folder that is open is not the one at its path any more.
    case moved(WatchedFolder)
    /// A page was read again; these files are gone or damaged. `next` is nil after the last page.
    case audited(vanished: [AvatarName], events: [AvatarEvent], next: AvatarName?)
    /// A file that lies in a shared folder has a row now.
    case adopted(AvatarRecord, [AvatarEvent])
    case evicted([AvatarName], [AvatarEvent])
    case imported(StreamID, AvatarName)
    case refused(StreamID, BusFault)
    case events(StreamID, EventPage)
    case listed(StreamID, [CatalogRow], next: AvatarName?)
    /// The disk takes writes again, or still does not.
    case probed(StorageFault?)
}

/// How strictly a file of the upload folder is taken for new.
package enum ExamineMode: Hashable, Sendable {
    /// What the server has under that name and digest is not sent again.
    case normal
    /// It settled before or while the folder was looked through: what waits by then keeps the place that its time gave it.
    case confirming
    /// A person asked: send it whatever the catalog says.
    case forced
}

/// How one step of a commit went for one file.
package struct CommitOutcome: Hashable, Sendable {
    package let name: AvatarName
    package let outcome: CommitMachine.Outcome

    /// An outcome for a name.
    package init(_ name: AvatarName, _ outcome: CommitMachine.Outcome) {
        self.name = name
        self.outcome = outcome
    }
}

/// Why the disk or the catalog could not do its part.
package enum StorageFault: Hashable, Sendable {
    case full
    case failed(String)
}

/// What a file of the upload folder turned out to be.
package enum Examination: Hashable, Sendable {
    /// A new crop, recorded.
    case crop(Crop)
    /// A complete picture in a shared folder, for the rule to judge.
    case candidate(SharedFolderRule.Candidate)
    /// The server has it under that name and digest, it is part of the baseline, or it is the agent's own.
    case known
    /// Somebody writes it: its close will be told.
    case busy
    case missing
    /// Never uploaded; the reason is for a person.
    case refused(reason: String)
    /// It could not be read, or not be recorded: to be looked at again when the disk is well.
    case failed(StorageFault)
}

/// A page of the event log.
package struct EventPage: Hashable, Sendable {
    package var epoch: String
    package var cursor: Int64
    package var reset: Bool
    package var events: [AvatarEvent]
    package var rows: [CatalogRow]

    /// A page of the log with the rows of the names in it.
    package init(epoch: String, cursor: Int64, reset: Bool, events: [AvatarEvent], rows: [CatalogRow]) {
        self.epoch = epoch
        self.cursor = cursor
        self.reset = reset
        self.events = events
        self.rows = rows
    }
}

/// A call of a subscriber, with names and labels found valid.
package enum BusCall: Hashable, Sendable {
    case register([LabelRequest], keep: Bool, heartbeat: Bool, more: Bool, token: ExactString)
    case adjust(
        subscription: ExactString, add: [LabelRequest], remove: [ExactString], visible: [ExactString],
        hidden: [ExactString])
    case fetch([AvatarName], visibility: Visibility, more: Bool)
    case upload(path: String, more: Bool)
    case get(LabelRequest.Target)
    case explain(LabelRequest.Target)
    case list(state: AvatarView.State?, after: AvatarName?, limit: Int)
    case watch(epoch: String?, since: Int64?, heartbeat: Bool, more: Bool)
    case pause(Direction?)
    case resume(Direction?)
    case forget(AvatarName)
}

/// What a subscriber is told.
package enum BusOutput: Hashable, Sendable {
    case labels(LabelBook.Output)
    case avatar(StreamID, AvatarView, continues: Bool)
    case accepted(StreamID, Int, AvatarView?, continues: Bool)
    case page(StreamID, [AvatarView], next: String?)
    case changes(StreamID, epoch: String, cursor: Int64, reset: Bool, [AvatarChange], continues: Bool)
    /// Of `Explain`: what was done about a picture, and last how it is now.
    case story(StreamID, [Story.Step])
    case done(StreamID)
    case failed(StreamID, BusFault)
}

/// An event with the picture as it is now.
package struct AvatarChange: Hashable, Sendable {
    package let cursor: Int64
    package let kind: AvatarEvent.Kind
    package let avatar: AvatarView
}

/// Why a call failed, in IPC.md's terms.
package enum BusFault: Hashable, Sendable {
    case notLoggedIn
    case serverRefused(code: Int, reason: String)
    case unknownAvatar(String)
    case notAnImage(path: String, reason: String)
    case tooLarge(path: String, size: Int64, limit: Int64)
    case tooMany(what: String, limit: Int)
    case unknownSubscription(String)
    case expectedMore
    case storage(String)
}

/// Something for the log, and perhaps for `Status`.
package struct Note: Hashable, Sendable {
    /// How much it matters.
    package enum Level: Hashable, Sendable {
        case debug
        case info
        case warning
    }

    package let level: Level
    package let what: String
    package let name: String?
    package let detail: String?
}
