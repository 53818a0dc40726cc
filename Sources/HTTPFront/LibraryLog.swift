internal import Logging

/// What Hummingbird says, without its news of starts and ends, which ours tells in its own words.
struct LibraryLog: LogHandler {
    private var log: any LogHandler

    /// A logger for Hummingbird that writes where `logger` does.
    static func logger(_ logger: Logger) -> Logger {
        let log = LibraryLog(log: logger.handler)
        return Logger(label: logger.label, factory: { _ in log })
    }

    private init(log: any LogHandler) { self.log = log }

    var metadata: Logger.Metadata {
        get { log.metadata }
        set { log.metadata = newValue }
    }

    var logLevel: Logger.Level {
        get { log.logLevel }
        set { log.logLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { log[metadataKey: key] }
        set { log[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        if event.level != .info { log.log(event: event) }
    }
}
