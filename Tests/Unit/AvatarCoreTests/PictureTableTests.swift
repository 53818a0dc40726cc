import AvatarCore
import Foundation
import Testing

/// `docs/pictures.md` says what Qt 6, Pillow, ImageMagick and avatard make of pictures with defects: the table is made again here, with
/// the pictures and decoders of `scripts/make-pictures.py`.
@Suite struct PictureTableTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test(.timeLimit(.minutes(1))) func theTableIsTrue() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let made = try lines(Self.make(folder)).map { line -> [String] in
            let fields = line.split(separator: "\t").map(String.init)
            try #require(fields.count == 6, "\(line)")
            let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(fields[0])))
            return Array(fields[1...]) + [Self.verdict(bytes)]
        }
        #expect(made.count >= 80)
        let text = try String(contentsOf: Self.root.appendingPathComponent("docs/pictures.md"), encoding: .utf8)
        let documented = lines(text).filter { $0.hasPrefix("| ") && !$0.hasPrefix("| format |") }.map { line in
            line.split(separator: "|", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
        }
        #expect(documented.map { Array($0[1...6]) } == made)
        for row in documented {
            let isAlone = (row[6].hasPrefix("takes") ? "fails" : "shows") == row[3] && Set(row[3...5]).count == 1
            #expect(!isAlone || !row[7].isEmpty, "\(row[1]), \(row[2]): why is avatard alone?")
        }
    }

    /// What avatard makes of the picture, in the table's words.
    private static func verdict(_ bytes: [UInt8]) -> String {
        func code(_ isWhole: Bool) -> ImageError.Code? {
            do throws(ImageError) {
                _ = try ImageStructure.examine(bytes.span.bytes, isWhole: isWhole)
                return nil
            } catch { return error.code }
        }
        return switch (code(false), code(true)) {
        case (nil, _): "takes"
        case (.unended, nil): "takes when whole"
        case (.unsupported, _): "unsupported"
        case (.truncated, _): "incomplete"
        default: "refuses"
        }
    }

    /// Makes the pictures in the folder; what the decoders say.
    private static func make(_ folder: URL) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = ["-B", root.appendingPathComponent("scripts/make-pictures.py").path, folder.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }

    private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }
}
