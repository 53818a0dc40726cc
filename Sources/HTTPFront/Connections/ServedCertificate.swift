internal import AvatarCore
internal import Logging
internal import NIOPosix
internal import NIOSSL
internal import PosixFiles
internal import ProgramSupport
internal import ServerRuntime
internal import Synchronization

/// The certificate that new connections get. Its files are read again when they change and when somebody asks; what is no certificate with its
/// key never takes the place of one that is.
final class ServedCertificate: Sendable {
    private let files: ServerSettings.HTTP.TLS
    private let logger: Logger
    private let pair: Mutex<CertificatePair>
    /// Held while the files are read: what was told last of them, so that it is not told again with each change beside them.
    private let lastFault = Mutex<String?>(nil)

    /// Errors: ``CertificatePair/Fault``.
    init(_ files: ServerSettings.HTTP.TLS, logger: Logger) throws {
        self.files = files
        self.logger = logger
        let first = try CertificatePair(reading: files)
        pair = Mutex(first)
        warnOfTime(first)
    }

    /// For a connection that begins now; those that stand keep theirs.
    var context: NIOSSLContext { pair.withLock { $0.context } }

    /// Reads both files.
    ///
    /// - Parameter isAsked: whether a person wants to know what comes of it, even when it is the same as the last time.
    func readAgain(isAsked: Bool) {
        lastFault.withLock { lastFault in
            do throws(CertificatePair.Fault) {
                let new = try CertificatePair(reading: files)
                lastFault = nil
                let isOther = pair.withLock { pair in
                    guard pair.bytes != new.bytes else { return false }
                    pair = new
                    return true
                }
                guard isOther else { return }
                logger.info(
                    "new connections get another certificate",
                    metadata: ["file": "\(files.certificateFile)", "until": "\(SystemClock.rfc3339(new.ends))"])
                warnOfTime(new)
            } catch {
                let words = "\(error)"
                if isAsked || words != lastFault {
                    logger.warning(
                        "the certificate was not taken: the one before stays in use", metadata: ["detail": "\(words)"])
                }
                lastFault = words
            }
        }
    }

    /// Reads the files whenever they may be others, until the task is cancelled.
    func follow() async {
        let (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let watch = FileWatch(
            [files.certificateFile, files.keyFile], on: MultiThreadedEventLoopGroup.singleton.next(),
            settleTime: Limits.HTTP.certificateSettleTime
        ) { change.yield() }
        // What changed before the watch began, nobody told.
        change.yield()
        for await _ in changes { readAgain(isAsked: false) }
        await watch.stop()
    }

    private func warnOfTime(_ pair: CertificatePair) {
        let now = SystemClock().wall
        guard now < pair.begins || now >= pair.ends else { return }
        let (word, moment) = now < pair.begins ? ("is not valid before", pair.begins) : ("has expired at", pair.ends)
        logger.warning(
            "clients refuse the certificate",
            metadata: ["detail": "\(files.certificateFile) \(word) \(SystemClock.rfc3339(moment))"])
    }
}
