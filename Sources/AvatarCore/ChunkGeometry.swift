/// How a file of a known size is cut into the classic dialect's chunks.
///
/// `seq` counts from 1 and chunk `n` starts at `(n - 1) × chunk size` (seed, `offset = (seq - 1) * MAX_FILE_LEN`).
package struct ChunkGeometry: Hashable, Sendable {
    /// Bytes in the whole file.
    package let totalSize: Int64
    /// Bytes in every chunk but the last.
    package let chunkSize: Int64

    /// Nil unless the file has at least one byte and a chunk too.
    package init?(totalSize: Int64, chunkSize: Int64) {
        guard totalSize > 0, chunkSize > 0 else { return nil }
        self.totalSize = totalSize
        self.chunkSize = chunkSize
    }

    /// The number of chunks, which is also the last chunk's `seq`.
    package var chunkCount: Int64 { (totalSize - 1) / chunkSize + 1 }

    /// The bytes that chunk `seq` covers, or nil when there is no such chunk.
    package func range(of seq: Int64) -> Range<Int64>? {
        guard seq >= 1, seq <= chunkCount else { return nil }
        let start = (seq - 1) * chunkSize
        return start..<min(start + chunkSize, totalSize)
    }

    /// How many whole chunks, counted from the first, `bytes` bytes make. A file that is there whole counts its last
    /// chunk, however short.
    package func chunksHeld(bytes: Int64) -> Int64 {
        if bytes >= totalSize { return chunkCount }
        return max(0, bytes) / chunkSize
    }

    /// Whether `seq` is the last chunk.
    package func isLast(_ seq: Int64) -> Bool { seq == chunkCount }
}
