import Foundation

/// A picture on the disk, as a client has it. What is in it does not matter to anyone here.
struct Picture: Sendable {
    let folder: String
    let name: String
    let size: Int

    var path: String { "\(folder)/\(name)" }

    /// Its bytes, read as the peers read them: Foundation's own way looks at more than these.
    func read() throws -> [UInt8] {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { room, count in
            count = max(0, Glibc.read(file, room.baseAddress, room.count))
        }
        guard bytes.count == size else { throw CocoaError(.fileReadUnknown) }
        return bytes
    }

    /// Written and not synced, which Foundation would do.
    func write(_ bytes: [UInt8]) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        defer { close(file) }
        let written = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        guard written == bytes.count else { throw CocoaError(.fileWriteUnknown) }
    }
}

/// The temporary folder of one run.
struct Workplace: Sendable {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "avatar-bench-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// A folder in it, made where it is missing.
    func subfolder(_ name: String) throws -> String {
        let place = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        return place.path
    }

    func pictures(_ name: String, count: Int, bytes: Int) throws -> [Picture] {
        let place = try subfolder(name)
        return try (0..<count).map { index in
            let picture = Picture(folder: place, name: "\(name)-\(index).png", size: bytes)
            let content = (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 251 &+ index) }
            try picture.write(content)
            return picture
        }
    }
}

/// A line, also where the output is no terminal, as soon as it is ready.
func say(_ text: String) {
    print(text)
    fflush(nil)
}

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
    let started = ContinuousClock.now
    try body()
    let passed = (ContinuousClock.now - started).components
    return Double(passed.seconds) + Double(passed.attoseconds) / 1e18
}

extension [Double] {
    var median: Double { sorted()[count / 2] }
}

extension Array {
    /// `count` shares of nearly the same size; the element at index i goes to share i % count.
    func shares(_ count: Int) -> [[Element]] {
        var shares = [[Element]](repeating: [], count: count)
        for (index, element) in enumerated() { shares[index % count].append(element) }
        return shares
    }
}
