internal import DequeModule

/// Orders the jobs of each resource: writes run one after the other as they came, reads run beside each other but never across a write.
/// Jobs of different resources do not wait for each other.
///
/// The caller names each job by a number, and gets the number back when the job may run.
package struct ResourceOrder: Sendable {
    package typealias Job = UInt64

    /// What a job does to its resource.
    package enum Access: Hashable, Sendable {
        case read
        case write
    }

    /// When a job may run.
    package enum Turn: Hashable, Sendable {
        case atOnce
        /// When ``ResourceOrder/finish(_:)`` returns the job.
        case later
    }

    /// The running and the waiting jobs of one resource.
    private struct Line: Sendable {
        private(set) var running = 0
        private var isWriting = false
        private var waiting: Deque<(access: Access, job: Job)> = []

        var isReadable: Bool { waiting.isEmpty && admits(.read) }

        mutating func submit(_ job: Job, _ access: Access) -> Turn {
            guard waiting.isEmpty, admits(access) else {
                waiting.append((access, job))
                return .later
            }
            enter(access)
            return .atOnce
        }

        /// A job has ended. Returns the jobs that may run now.
        mutating func finish() -> [Job] {
            running -= 1
            isWriting = false
            var started: [Job] = []
            while let next = waiting.first, admits(next.access) {
                waiting.removeFirst()
                enter(next.access)
                started.append(next.job)
            }
            return started
        }

        private func admits(_ access: Access) -> Bool {
            switch access {
            case .read: !isWriting
            case .write: running == 0
            }
        }

        private mutating func enter(_ access: Access) {
            running += 1
            isWriting = access == .write
        }
    }

    private var lines: [ResourceKey: Line] = [:]

    package init() {}

    /// How many resources have jobs.
    package var activeCount: Int { lines.count }

    /// Whether a job that only reads `key` would run at once.
    package func isReadable(_ key: ResourceKey) -> Bool { lines[key]?.isReadable ?? true }

    /// Takes a job in and says when it may run.
    package mutating func submit(_ job: Job, to key: ResourceKey, _ access: Access) -> Turn {
        lines[key, default: Line()].submit(job, access)
    }

    /// A job of `key` has ended. Returns the jobs that may run now, in the order in which they came.
    package mutating func finish(_ key: ResourceKey) -> [Job] {
        guard let index = lines.index(forKey: key) else { return [] }
        let started = lines.values[index].finish()
        if lines.values[index].running == 0 { lines.remove(at: index) }
        return started
    }
}
