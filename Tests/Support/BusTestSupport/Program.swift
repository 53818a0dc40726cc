internal import Foundation

/// What a program that was run to its end said.
package struct ProgramResult: Sendable {
    package let status: Int32
    package let output: String
    package let errors: String

    /// The output's lines.
    package var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// A program that a test runs.
package enum Program {
    /// The folder with the products of this build, the test's own executable among them.
    package static var buildFolder: String {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    /// The package's own folder.
    package static var packageFolder: String {
        let parts = #filePath.split(separator: "/").dropLast(4)
        return "/" + parts.joined(separator: "/")
    }

    /// A product of this build.
    package static func product(_ name: String) -> String { buildFolder + "/" + name }

    /// Runs a program to its end. Its output goes through files, so that no pipe can fill up.
    package static func run(
        _ path: String, _ arguments: [String] = [], environment: [String: String] = [:], input: String = "",
        in folder: TemporaryFolder
    ) async throws -> ProgramResult {
        let id = UUID().uuidString.prefix(8)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let names = ["in", "out", "err"].map { folder.file("\(id).\($0)") }
        try Data(input.utf8).write(to: URL(fileURLWithPath: names[0]))
        for name in names.dropFirst() { _ = FileManager.default.createFile(atPath: name, contents: nil) }
        process.standardInput = FileHandle(forReadingAtPath: names[0])
        process.standardOutput = FileHandle(forWritingAtPath: names[1])
        process.standardError = FileHandle(forWritingAtPath: names[2])
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
                process.terminationHandler = { _ in done.resume() }
                do { try process.run() } catch { done.resume(throwing: error) }
            }
        } onCancel: {
            process.terminate()
        }
        func text(_ name: String) throws -> String {
            String(decoding: try Data(contentsOf: URL(fileURLWithPath: name)), as: UTF8.self)
        }
        return ProgramResult(status: process.terminationStatus, output: try text(names[1]), errors: try text(names[2]))
    }
}
