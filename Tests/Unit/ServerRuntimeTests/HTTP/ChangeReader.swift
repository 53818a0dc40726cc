import Foundation
import Synchronization

/// A curl that follows changes.
final class ChangeReader {
    struct Event: Equatable {
        var id = ""
        var name = ""
        var data = ""
    }

    /// In the order in which they came; ends with the stream.
    private let events: AsyncStream<Event>
    private let process: Process

    convenience init(_ front: TestFront, _ path: String, as user: Int64?, _ options: [String]) throws {
        try self.init(
            url: front.url + path,
            (user.map { ["-u", "\($0):token-\($0)"] } ?? []) + ["--cacert", front.certificate] + options)
    }

    init(url: String, _ options: [String]) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["curl", "-sSN", "-m", "60", "-w", "id: %{http_code}\nevent: status\n\n"] + options + [url]
        let output = try ClosingPipe()
        process.standardOutput = output.writing
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let process = process
        try spawning.withLock { _ in try process.run() }
        try output.writing.close()
        let (events, told) = AsyncStream.makeStream(of: Event.self)
        self.events = events
        let reading = output.reading
        Thread.detachNewThread { Self.read(reading, told) }
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    /// The next event; nil when the stream has ended.
    func next() async -> Event? {
        for await event in events { return event }
        return nil
    }

    /// Reads the event stream as the WHATWG has it: fields up to an empty line.
    private static func read(_ file: FileHandle, _ told: AsyncStream<Event>.Continuation) {
        var (text, event, id) = ("", Event(), "")
        while true {
            let more = file.availableData
            if more.isEmpty { break }
            text += String(decoding: more, as: UTF8.self)
            while let end = text.firstIndex(of: "\n") {
                let line = text[..<end]
                text.removeSubrange(...end)
                if line.hasPrefix("id: ") { id = String(line.dropFirst(4)) }
                if line.hasPrefix("event: ") { event.name = String(line.dropFirst(7)) }
                if line.hasPrefix("data: ") { event.data = String(line.dropFirst(6)) }
                guard line.isEmpty else { continue }
                event.id = id
                if !event.name.isEmpty { told.yield(event) }
                event = Event()
            }
        }
        told.finish()
    }
}
