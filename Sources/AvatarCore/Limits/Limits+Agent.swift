extension Limits {
    /// The agent's connection to its server.
    package enum Connection {
        /// The first wait after a failed connection; it doubles up to the longest.
        package static let backoffFirst = Duration.milliseconds(500)
        /// The longest wait before a dead server is tried again (docs/architecture.md, "Hang-ups").
        package static let backoffMax = Duration.seconds(60)
        /// Changes of the network that come sooner after another do not end a wait: a route that flaps must not become a storm.
        package static let networkChangeInterval = Duration.seconds(5)
        /// Sockets to the kernel's routing messages that are opened in one run: one is closed when its queue ran over.
        package static let networkWatchesMax = 64
        /// How long a connection may take to come about.
        package static let connectTimeout = Duration.seconds(10)
        /// How long a connection may take until it is open in the driver's eyes, which over HTTP includes the first answer: that of
        /// ``connectTimeout``, and as long as a server may owe an answer.
        package static let openTimeout = connectTimeout + replyTimeout
        /// How long a server may leave the oldest request unanswered before the connection counts as dead.
        package static let replyTimeout = Duration.seconds(20)
        /// How long a connection is silent before the kernel probes it (TCP_KEEPIDLE): no wake-up of the agent.
        package static let keepAliveIdle = Duration.seconds(60)
        /// The time between two probes of the kernel.
        package static let keepAliveInterval = Duration.seconds(10)
        /// Unanswered probes after which the kernel closes the connection.
        package static let keepAliveProbes = 3
        /// Hang-ups of the server over one transfer, with nothing else in flight, before that transfer is set aside.
        package static let hangUpsMax = 5
        /// Replies that nobody asked for, on one connection, before it is given up.
        package static let strayRepliesMax = 64
    }

    /// What may be on its way on the connection, in each direction.
    package enum Flight {
        /// Bytes of chunks that may be on their way: at first, which is also the least, and the most.
        package static let bytes: ClosedRange<Int64> = (256 * 1024)...(8 * 1024 * 1024)
        /// The shortest time over which the rate of a connection is measured.
        package static let roundMin = Duration.milliseconds(5)
        /// Measurements of the rate that count; the best of them does.
        package static let rounds = 8
    }

    /// Downloads in the classic dialect.
    package enum Download {
        /// Pictures that are fetched at the same time, however large they are.
        package static let activeMin = 8
        /// Pictures that are fetched at the same time when they are small.
        package static let activeMax = 256
        /// Requests in flight on the connection.
        package static let inFlightMax = 1024
        /// Requests of one picture in flight before all others have had so many.
        package static let shareRequests = 32
        /// What a picture is taken to have whose size is not known, before any other has taught it.
        package static let expectedBytesFirst: Int64 = 16 * 1024
        /// The least and the most that pictures before may teach.
        package static let expectedBytes: ClosedRange<Int64> = 2048...(64 * 1024)
        /// Bytes of one picture that may wait for the disk before no more are asked for.
        package static let unwrittenBytesMax: Int64 = 8 * 1024 * 1024
        /// Starts at chunk 1 over, with the full window, before a window of one is used.
        package static let windowedRestartsMax = 3
        /// Starts at chunk 1 over before the picture is put off as a server error.
        package static let restartsMax = 8
        /// The longest pause before a start over.
        package static let restartJitterMax = Duration.milliseconds(250)
        /// A part file older than this starts over: the seed forgets a transfer after as long (SETEX 3600).
        package static let partAge = Duration.seconds(3600)
        /// After so long a picture that a label shows is asked for again, when nothing else is said (`cache.recheckAfter`).
        package static let recheckAfter = Duration.seconds(86_400)
        /// The longest that `cache.recheckAfter` takes, in seconds.
        package static let recheckSecondsMax = 31_536_000
        /// How long ago a picture counts as fetched of which nobody noted when: longer than any ``recheckAfter``.
        package static let longAgo = Duration.seconds(10 * 31_536_000)
        /// How often a stream is told of a transfer's progress.
        package static let progressInterval = Duration.milliseconds(100)
    }

    /// Uploads in the classic dialect.
    package enum Upload {
        /// Crops under way at once to a server that sets icons in the order in which last chunks come. It is half of the unfinished uploads
        /// that our server allows a user.
        package static let activeMax = 32
        /// Crops under way at once to any other server: while the last chunk of one is answered, those in the middle of the next one travel,
        /// and the first of the one behind it.
        package static let activeMaxUnordered = 3
        /// Chunks in flight on the connection. The seed's server drops replies when more than 1,000 wait to be sent.
        package static let inFlightMax = 512
        /// Bytes of a crop that are read at once, in whole chunks, and one chunk at least.
        package static let readBytesMax: Int64 = 256 * 1024
        /// Bytes of crops behind the first that were read and not sent, after which no more are read ahead.
        package static let readAheadBytesMax: Int64 = 1024 * 1024
        /// Cuts with chunks of a crop in flight, before a server that cannot say how far it is, after which one chunk of it is in flight.
        package static let windowedCutsMax = 2
        /// Crops that the server has and the catalog does not know of yet. After a crash they are sent again.
        package static let unnotedMax = 32
        /// Crops that the server has, and that are copied into the cache together while others are on their way.
        package static let copiesTogetherMax = 64
        /// How long such a copy waits.
        package static let copyDelay = Duration.seconds(1)
        /// Crops that settled while the folder is looked through.
        package static let deferredMax = 1024
        /// How long a file without its own end mark must be closed and unchanged before it counts as whole.
        package static let unendedQuiet = Duration.seconds(3)
        /// How long after a look at a file the word of a close that was before it may come.
        package static let closeLateMax = Duration.seconds(2)
        /// Files without an end mark that are looked at again.
        package static let unendedMax = 1024
        /// Crops that wait to be sent.
        package static let queueMax = 100_000
        /// Refusals that are about the file, before its crop is set aside and the next one goes.
        package static let refusalsMax = 3
        /// Refusals that are about the account or the server, one after the other, before whoever follows the upload is answered and the
        /// crop takes turns with the last one that waits.
        package static let refusalsTold = 3
        /// Patterns in `upload.ignore`.
        package static let ignoredPatternsMax = 64
        /// Crops that left their names and are remembered for a name that they may have been given instead.
        package static let departedMax = 4096
        /// Names of the upload folder that no avatar may have, and that a person was told of.
        package static let unnameableMax = 64
        /// Differences between the folders and the catalog in one answer to a person.
        package static let differencesMax = 500
        /// The first pause after a refused try; it doubles up to the longest.
        package static let backoffFirst = Duration.seconds(1)
        /// The longest pause after a refused try. What is not about the file is tried again for ever, as often as this.
        package static let backoffMax = Duration.seconds(60)
        /// A connection that comes about so long after the last refusal is a reason to try again at once.
        package static let retryOnConnectAfter = Duration.seconds(5)
    }

    /// Commits: many files share a round of syncs.
    package enum Commit {
        /// Files in one round.
        package static let groupMax = 256
        /// How long a finished part waits for others while the disk has chunks to write.
        package static let delayMax = Duration.milliseconds(20)
    }

    /// How long a picture that was not to be had is not asked for again.
    package enum Negative {
        /// The server knows no such file: the friend's upload may end in a moment, or never come.
        package static let absent: [Duration] = [
            .seconds(2), .seconds(10), .seconds(60), .seconds(300), .seconds(1800), .seconds(2 * 3600),
            .seconds(6 * 3600),
        ]
        /// The server does not give it.
        package static let forbidden: [Duration] = [
            .seconds(60), .seconds(600), .seconds(3600), .seconds(6 * 3600), .seconds(24 * 3600),
        ]
        /// What came was no picture; it may have been caught while it was replaced.
        package static let corrupt: [Duration] = [
            .seconds(30), .seconds(300), .seconds(1800), .seconds(2 * 3600), .seconds(6 * 3600),
        ]
        /// The server failed.
        package static let serverError: [Duration] = [.seconds(60), .seconds(300)]
        /// The name is another owner's, or a file or folder is in the way; each try fetches the picture once.
        package static let nameTaken: [Duration] = [
            .seconds(60), .seconds(600), .seconds(3600), .seconds(6 * 3600), .seconds(24 * 3600),
        ]
        /// Larger than this machine takes, or nothing that it takes at all.
        package static let settled: [Duration] = [.seconds(24 * 3600)]
        /// Each pause grows by less than one part in so many, by a share that follows from the name.
        package static let jitterParts: Int64 = 4
        /// A new label asks again at once when the answer is older than this, or than the pause that it is to wait for.
        package static let freshFor = Duration.seconds(5)
        /// A new label begins the pauses anew when the answer is older than this.
        package static let renewedAfter = Duration.seconds(60)
        /// Over all names, questions that were answered with a refusal before are asked again at this distance.
        package static let againInterval = Duration.milliseconds(100)
        /// So many of them may go at once, after a time without any.
        package static let againBurst = 20
    }

    /// Labels, and the streams that tell of their pictures.
    package enum Labels {
        /// Labels or avatars in one reply, and labels of a `Register` without `more`.
        package static let perReplyMax = 500
        /// Labels of one subscription, and in one `Register` or `Adjust`.
        package static let perSubscriptionMax = 20_000
        /// Labels of all subscriptions.
        package static let totalMax = 200_000
        /// Names in one Fetch.
        package static let fetchNamesMax = 10_000
        /// Names that are cared for at once, with or without a label.
        package static let namesMax = 250_000
        /// The longest silence of a stream that asked for heartbeats; systemd's client gives up after 45 s.
        package static let heartbeatInterval = Duration.seconds(30)
        /// Changes in one reply of a Watch.
        package static let changesPerReplyMax = 500
    }

    /// What the agent keeps of its own doings, for Status and Explain.
    package enum ActivityLog {
        /// Steps kept, of all pictures together.
        package static let stepsMax = 2048
        /// Problems that Status lists at once.
        package static let problemsMax = 64
    }

    /// Paths that may lead elsewhere than to what is held of them.
    package enum Paths {
        /// How often the paths are compared when nothing else is a reason to: some file systems tell of no change.
        package static let compareInterval = Duration.seconds(6 * 3600)
        /// How long something that is missing is left to whoever removed it before it is made anew.
        package static let makeDelay = Duration.milliseconds(500)
        /// Tries to take the lock of a state folder that another agent has locked, before this one ends.
        package static let lockTriesMax = 4
        /// Upload folders whose crops are remembered while another folder lies at the path.
        package static let cropFoldersMax = 8
    }

    /// Taking up again after the disk was full or the catalog failed.
    package enum Storage {
        /// The first pause; it doubles up to the longest.
        package static let retryFirst = Duration.seconds(2)
        /// The longest pause.
        package static let retryMax = Duration.seconds(60)
        /// Bytes that the catalog and its journal need to go on, as a person is told.
        package static let catalogRoom: Int64 = 8 * 1_048_576
        /// How long the disk thread may be busy with what it took before `Status` says so.
        package static let silenceTold = Duration.seconds(5)
        /// How long a login or logout waits for the disk before the person is told that it was not kept yet.
        package static let loginTimeout = Duration.seconds(10)
        /// Commands that failed and are kept until the disk is well; past them a look through the cache finds what can be found.
        package static let redoMax = 1024
        /// Tries of one command before it is given up: a single file that cannot be read must not stop everything again and again.
        package static let triesMax = 5
    }
}
