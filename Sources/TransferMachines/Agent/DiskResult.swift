package import AvatarCore

/// What the disk thread found or did.
package enum DiskResult: Hashable, Sendable {
    /// The command was not carried out, or not to its end.
    case failed(DiskCommand, StorageFault)
    /// The catalog is open, and an earlier run was brought to its end: nothing is fetched, sent or looked through before that.
    case started(StartFacts)
    case accountOpened(AccountFacts)
    case lookedUp([CatalogRow])
    /// An event was written into the log, and nothing else follows from it.
    case logged([AvatarEvent])
    /// How many files the cache holds, how many bytes, and whether that is more than it may.
    case totals(files: Int, bytes: Int64, isOverfull: Bool)
    case wrote(AvatarName, through: Int64)
    /// The part is not what the bytes were meant for: somebody took it away.
    case partLost(AvatarName)
    /// A part could not be begun or written.
    case partFailed(AvatarName, StorageFault)
    /// The file system takes no file of that name, whatever room there is.
    case partRefused(AvatarName, reason: String)
    case committed([CommitOutcome])
    /// What has appeared at the name has no writer, or none any more.
    case appeared(AvatarName)
    /// Files that were refused, in the order of their names.
    case refusedFound([AvatarName])
    case checked(StreamID, FolderCheck)
    case examined(AvatarName, Examination)
    /// The verdict is in the catalog: this crop is to be sent.
    case cropRecorded(Crop)
    case cropRead(CropID, offset: Int64, bytes: [UInt8])
    /// The file is not the one that was examined any more, or it is gone.
    case cropChanged(CropID)
    /// What the server's stream of changes told is in the catalog.
    case changesNoted(ChangeNotes)
    case cropStaged(CropID)
    /// In a shared folder the crop lies where its copy would: it has a row now.
    case cropAdopted(CropID, AvatarRecord, [AvatarEvent])
    case cropNotStaged(CropID, StorageFault)
    case cropFinished(CropID, AvatarName, [AvatarEvent])
    /// A cache file is not what the catalog said; its row is gone, with this event.
    case vanished(AvatarName, [AvatarEvent])
    /// A rescan found files of the upload folder to examine, oldest first, and cache files that are gone.
    case rescanned(
        WatchedFolder, settled: [AvatarName], unnameable: [AvatarNameError], vanished: [AvatarName],
        events: [AvatarEvent])
    /// The folder that is open is not the one at its path any more.
    case moved(WatchedFolder)
    /// A page was read again; these files are gone or damaged. `next` is nil after the last page.
    case audited(vanished: [AvatarName], events: [AvatarEvent], next: AvatarName?)
    /// A file that lies in the folder has a row now.
    case adopted(AvatarRecord, [AvatarEvent])
    case evicted([AvatarName], [AvatarEvent])
    /// Nothing of the picture is kept any more, or it was not the agent's to remove.
    case forgotten(StreamID)
    /// The catalog knows that the file is not to be tried until it is another one.
    case dismissed(StreamID, AvatarName)
    case imported(StreamID, AvatarName)
    case refused(StreamID, BusFault)
    case events(StreamID, EventPage)
    case listed(StreamID, [CatalogRow], next: AvatarName?)
    /// The disk takes writes again, or still does not.
    case probed(StorageFault?)
    /// Where each path that is held leads now.
    case pathsCompared([PathFinding])
    /// The state folder, its lock and the catalog lie at their paths.
    case stateRestored
    case stateNotRestored(StateFault)
}

/// Where one path leads now.
package struct PathFinding: Hashable, Sendable {
    package let path: HeldPath
    package let standing: PathStanding

    package init(_ path: HeldPath, _ standing: PathStanding) {
        self.path = path
        self.standing = standing
    }
}

/// Why the state folder is not made anew.
package enum StateFault: Hashable, Sendable {
    /// Another agent has locked it.
    case locked
    /// Another catalog lies there.
    case foreign
    case failed(StorageFault)
}

/// Why the disk or the catalog could not do its part.
package enum StorageFault: Hashable, Sendable, CustomStringConvertible {
    /// No room, or no quota, for pictures.
    case full
    /// No room, or no quota, for the catalog.
    case stateFull
    case failed(String)

    package var description: String {
        switch self {
        case .full: "the disk is full"
        case .stateFull: "the disk of the state folder is full"
        case .failed(let detail): detail
        }
    }
}

/// What the catalog said when it was opened.
package struct StartFacts: Hashable, Sendable {
    /// Whether the catalog was lost: what lies in the folders is a baseline.
    package var isBaseline = false
    /// Whether the machine went down under the last run: every recorded file is to be read again.
    package var needsAudit = false

    /// A catalog that was closed in order.
    package init() {}
}

/// What the catalog keeps of the account that was opened, or of the time in which nobody was logged in.
package struct AccountFacts: Hashable, Sendable {
    /// Which account this is, as in ``Login/account``; nil for the time in which nobody is logged in.
    package var account: String?
    /// The name of the user's own avatar, if one is known.
    package var icon: AvatarName?
    /// Crops that are not uploaded, in the order in which they were closed.
    package var crops: [Crop] = []
    /// Crops whose files are others now, or cannot be read: to be examined anew.
    package var doubtful: [AvatarName] = []
    /// The users whose avatars were followed, and up to where in the server's log.
    package var followed: [UserID] = []
    /// What their avatars were there, as far as that is known.
    package var avatars: [UserID: UserAvatar] = [:]
    package var position: ExactString?

    /// An account of which nothing is known.
    package init(account: String?) { self.account = account }
}

/// How a commit ended for one file.
package struct CommitOutcome: Hashable, Sendable {
    package let item: CommitMachine.Item
    package let outcome: CommitMachine.Outcome

    /// The end of one file's commit.
    package init(_ item: CommitMachine.Item, _ outcome: CommitMachine.Outcome) {
        self.item = item
        self.outcome = outcome
    }
}

/// What a file of the upload folder turned out to be.
package enum Examination: Hashable, Sendable {
    /// A complete picture that nobody writes any more; ``CropRule`` decides about it.
    case settled(CropRule.Candidate)
    /// Somebody writes it: its close will be heard.
    case busy
    case missing
    /// Closed, and a picture but for its end mark: when it is still the same after ``Limits/Upload/unendedQuiet``, it counts as whole.
    case unended(reason: String)
    /// No complete picture, or no regular file; the reason is for a person.
    case refused(reason: String)
}

/// Where a folder is not as the catalog knows it.
package struct FolderDifference: Hashable, Sendable {
    /// How it differs.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A file that was never looked at.
        case new
        /// Another file than was looked at, by inode, size, mtime or ctime.
        case changed
        /// The catalog knows a file that is not there.
        case gone
        /// A file that is not uploaded; `reason` says why.
        case refused
        /// A crop that is to be uploaded for another account, which `reason` names.
        case waiting
    }

    package let folder: WatchedFolder
    /// The name as a person is shown it; not always one that an avatar may have.
    package let name: ExactString
    package let kind: Kind
    package let reason: String?

    /// One difference.
    package init(_ folder: WatchedFolder, _ name: String, _ kind: Kind, reason: String? = nil) {
        self.folder = folder
        self.name = ExactString(name)
        self.kind = kind
        self.reason = reason
    }
}

/// What a comparison of the two folders with the catalog found.
package struct FolderCheck: Hashable, Sendable {
    /// At most ``Limits/Upload/differencesMax``: folders that are gone, then files of the upload folder, then of the cache.
    package private(set) var differences: [FolderDifference] = []
    /// How many there are.
    package private(set) var total = 0

    /// Folders that are as the catalog knows them.
    package init() {}

    /// Takes one more.
    package mutating func add(_ difference: FolderDifference) {
        total += 1
        if differences.count < Limits.Upload.differencesMax { differences.append(difference) }
    }

    /// Without files that are being examined anyway.
    func without(_ isDue: (AvatarName) -> Bool) -> Self {
        var left = self
        left.differences.removeAll { difference in
            guard difference.folder == .crops, difference.kind != .refused else { return false }
            return (try? AvatarName(difference.name.string)).map(isDue) ?? false
        }
        left.total -= differences.count - left.differences.count
        return left
    }
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
