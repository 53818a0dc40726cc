package import AvatarCore
internal import DequeModule

/// Orders the jobs of each resource: writes run one after the other as they came, reads run beside each other but never across a write.
/// Jobs of different resources do not wait for each other, but for those that set the icon of one user: these run in the order in which
/// they came, whatever their resources, so that the last of them decides.
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

    /// What jobs stand in line for.
    private enum Place: Hashable, Sendable {
        case resource(ResourceKey)
        case icon(UserID)
    }

    /// The running and the waiting jobs of one place.
    private struct Line: Sendable {
        var running = 0
        var isWriting = false
        var waiting: Deque<Job> = []

        func admits(_ access: Access) -> Bool {
            switch access {
            case .read: !isWriting
            case .write: running == 0
            }
        }
    }

    private struct Entry: Sendable {
        let access: Access
        let places: [Place]
    }

    private var lines: [Place: Line] = [:]
    private var jobs: [Job: Entry] = [:]

    package init() {}

    /// How many resources, and icons of users, have jobs.
    package var activeCount: Int { lines.count }

    /// Whether a job that only reads `key` would run at once.
    package func isReadable(_ key: ResourceKey) -> Bool {
        guard let line = lines[.resource(key)] else { return true }
        return line.waiting.isEmpty && line.admits(.read)
    }

    /// Takes a job in and says when it may run. `icon` is the user whose icon the job sets, nil for a job that sets none.
    package mutating func submit(_ job: Job, to key: ResourceKey, _ access: Access, icon: UserID? = nil) -> Turn {
        let entry = Entry(access: access, places: [.resource(key)] + (icon.map { [.icon($0)] } ?? []))
        jobs[job] = entry
        // A job joins all of its lines at once, so that no two jobs can wait for each other.
        for place in entry.places { lines[place, default: Line()].waiting.append(job) }
        return start(job) ? .atOnce : .later
    }

    /// Starts a job that is the first in each of its lines, where all of them admit it.
    private mutating func start(_ job: Job) -> Bool {
        guard let entry = jobs[job] else { return false }
        for place in entry.places {
            guard let line = lines[place], line.waiting.first == job, line.admits(entry.access) else { return false }
        }
        for place in entry.places {
            lines[place]?.waiting.removeFirst()
            lines[place]?.running += 1
            lines[place]?.isWriting = entry.access == .write
        }
        return true
    }

    /// A job has ended. Returns the jobs that may run now, in the order in which they came.
    package mutating func finish(_ job: Job) -> [Job] {
        guard let entry = jobs.removeValue(forKey: job) else { return [] }
        var started: [Job] = []
        for place in entry.places {
            lines[place]?.running -= 1
            lines[place]?.isWriting = false
        }
        for place in entry.places {
            while let next = lines[place]?.waiting.first, start(next) { started.append(next) }
            if lines[place]?.running == 0, lines[place]?.waiting.isEmpty == true { lines[place] = nil }
        }
        return started.sorted()
    }
}
