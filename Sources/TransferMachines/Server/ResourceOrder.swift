internal import DequeModule

/// Keeps the order of what touches one resource: writes one after the other as they came, reads beside each other but
/// never across a write. Different resources know nothing of each other.
///
/// `Job` is whatever the caller runs; it is handed back when its turn has come.
package struct ResourceOrder<Job: Sendable>: Sendable {
    /// What a job does to its resource.
    package enum Access: Hashable, Sendable {
        case read
        case write
    }

    private struct Line: Sendable {
        var running = 0
        var isWriting = false
        var waiting: Deque<(access: Access, job: Job)> = []
    }

    private var lines: [ResourceKey: Line] = [:]

    package init() {}

    /// How many resources have work.
    package var activeCount: Int { lines.count }

    /// The job, when it may run at once; otherwise it waits and nil comes back.
    package mutating func submit(_ job: Job, to key: ResourceKey, _ access: Access) -> Job? {
        var line = lines.removeValue(forKey: key) ?? Line()
        defer { lines[key] = line }
        guard line.waiting.isEmpty, Self.admits(line, access) else {
            line.waiting.append((access, job))
            return nil
        }
        Self.enter(&line, access)
        return job
    }

    /// A job has ended: those whose turn has come, in order.
    package mutating func finish(_ key: ResourceKey) -> [Job] {
        guard var line = lines.removeValue(forKey: key) else { return [] }
        line.running -= 1
        line.isWriting = false
        var started: [Job] = []
        while let next = line.waiting.first, Self.admits(line, next.access) {
            line.waiting.removeFirst()
            Self.enter(&line, next.access)
            started.append(next.job)
        }
        if line.running > 0 { lines[key] = line }
        return started
    }

    private static func admits(_ line: Line, _ access: Access) -> Bool {
        switch access {
        case .read: !line.isWriting
        case .write: line.running == 0
        }
    }

    private static func enter(_ line: inout Line, _ access: Access) {
        line.running += 1
        line.isWriting = access == .write
    }
}
