import Foundation
import Synchronization

/// What a program says on standard error, line by line, as it comes.
final class LogTail: Sendable {
    private struct Waiter {
        let occurrences: Int
        let matches: @Sendable (String) -> Bool
        let found: Occasion<String>
    }

    private struct State {
        var lines: [String] = []
        var rest: [UInt8] = []
        var waiters: [Waiter] = []
    }

    /// Nothing more will come.
    let ended = Occasion<Void>()
    private let state = Mutex(State())

    /// Takes what was read.
    func take(_ data: Data) {
        let found = state.withLock { state -> [(Occasion<String>, String)] in
            state.rest += data
            var found: [(Occasion<String>, String)] = []
            while let end = state.rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: state.rest[..<end], as: UTF8.self)
                state.rest.removeSubrange(...end)
                state.lines.append(line)
                let lines = state.lines
                state.waiters.removeAll { waiter in
                    guard waiter.matches(line), lines.count(where: waiter.matches) >= waiter.occurrences else {
                        return false
                    }
                    found.append((waiter.found, line))
                    return true
                }
            }
            return found
        }
        for (occasion, line) in found { occasion.happen(line) }
    }

    /// Every line by now.
    var lines: [String] { state.withLock { $0.lines } }

    /// The lines by now that hold all of these.
    func lines(with parts: String...) -> [String] { lines.filter { line in parts.allSatisfy(line.contains) } }

    /// The first line (or the one that makes it `occurrences`) that holds all of these, said before or from now on.
    @discardableResult
    func line(with parts: String..., occurrences: Int = 1, atMost limit: Duration = patience) async throws -> String {
        let found = Occasion<String>()
        let matches: @Sendable (String) -> Bool = { line in parts.allSatisfy(line.contains) }
        state.withLock { state in
            let said = state.lines.filter(matches)
            if said.count >= occurrences {
                found.happen(said[occurrences - 1])
            } else {
                state.waiters.append(Waiter(occurrences: occurrences, matches: matches, found: found))
            }
        }
        do {
            return try await found.wait("a log line with \(parts)", atMost: limit)
        } catch {
            throw TimedOut(
                what: "a log line with \(parts); it said:\n\(lines.suffix(40).joined(separator: "\n"))", waited: limit)
        }
    }
}
