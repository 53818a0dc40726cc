package import AvatarCore
internal import GRDB
internal import PosixFiles

/// Where the cache folder and the catalog differ.
package enum CacheDifference: Hashable, Sendable {
    /// The catalog knows a file that is not there.
    case missing(AvatarRow)
    /// A file with another inode, size or time than was recorded: read it before you trust it.
    case changed(AvatarRow, FileIdentity)
    /// A file that the catalog does not know.
    case unknown(AvatarName, FileIdentity)
}

/// What a comparison counted.
package struct Comparison: Hashable, Sendable {
    /// Files that are there.
    package var files = 0
    /// Files whose inode, size and time are as recorded.
    package var same = 0
    /// Files whose names no avatar may have, at most a few.
    package var invalid: [AvatarNameError] = []
}

extension CacheFolder {
    /// Compares the cache folder with the catalog by (inode, size, mtime) and hands out what differs, in batches of at most
    /// ``Limits/Cache/differencesPerBatchMax``, in the order of the names. No file is read, symlinks are passed over.
    ///
    /// `body` is called after the catalog was read, so it may write to it.
    package func compare(_ body: ([CacheDifference]) throws(CacheError) -> Void) throws(CacheError) -> Comparison {
        let listing: FolderListing
        do { listing = try FolderListing(folder) } catch { throw CacheError(error, "reading the cache folder") }
        var comparison = Comparison(files: listing.count, invalid: listing.invalid)
        var index = 0
        var after = ""
        var pending: [CacheDifference] = []
        var reachedEnd = false
        while !reachedEnd {
            // Page by page: a long read would hold the journal back, and `body` could not write.
            let start = index
            let page = try catalog.read("comparing the cache folder") { db in
                try Self.page(db, listing, after: after, index: start)
            }
            index = page.index
            after = page.after
            reachedEnd = page.rows < Self.pageRows
            comparison.same += page.same
            pending += page.differences
            try Self.hand(&pending, body, all: false)
        }
        while index < listing.count {
            if let difference = Self.unknown(listing, index) { pending.append(difference) }
            index += 1
            try Self.hand(&pending, body, all: false)
        }
        try Self.hand(&pending, body, all: true)
        return comparison
    }

    private static var pageRows: Int { 2_000 }

    private struct Page {
        var index: Int
        var after: String
        var rows = 0
        var same = 0
        var differences: [CacheDifference] = []
    }

    /// Merges one page of rows with the sorted listing. The page is an array of plain columns, read by position: decoding by name
    /// would be the larger part of the time.
    private static func page(_ db: Database, _ listing: FolderListing, after: String, index: Int) throws -> Page {
        var page = Page(index: index, after: after)
        let cursor = try Row.fetchCursor(
            db.cachedStatement(
                sql: "SELECT name, inode, size, modified FROM avatars WHERE name > ? ORDER BY name LIMIT \(pageRows)"),
            arguments: [after])
        while let row = try cursor.next() {
            let name: String = row[0]
            page.rows += 1
            page.after = name
            while page.index < listing.count, listing.compare(page.index, with: name) < 0 {
                if let difference = unknown(listing, page.index) { page.differences.append(difference) }
                page.index += 1
            }
            guard page.index < listing.count, listing.compare(page.index, with: name) == 0 else {
                if let full = try Catalog.avatar(try AvatarName(name), db) { page.differences.append(.missing(full)) }
                continue
            }
            let found = listing.identity(page.index)
            page.index += 1
            if found.inode == UInt64(bitPattern: row[1]), found.size == row[2], found.modified == row[3] {
                page.same += 1
            } else if let full = try Catalog.avatar(try AvatarName(name), db) {
                page.differences.append(.changed(full, found))
            }
        }
        return page
    }

    private static func unknown(_ listing: FolderListing, _ index: Int) -> CacheDifference? {
        (try? listing.name(index)).map { .unknown($0, listing.identity(index)) }
    }

    private static func hand(
        _ pending: inout [CacheDifference], _ body: ([CacheDifference]) throws(CacheError) -> Void, all: Bool
    ) throws(CacheError) {
        let size = Limits.Cache.differencesPerBatchMax
        while pending.count >= size || (all && !pending.isEmpty) {
            try body(Array(pending.prefix(size)))
            pending.removeFirst(min(size, pending.count))
        }
    }

    /// Reads the file at `name` and says what it is, without recording anything; nil where it is no regular file.
    ///
    /// - Parameters:
    ///   - fromDisk: lets go of the file's cached pages before reading.
    ///   - isRecorded: whether it was taken once: then it is whole, and its format no longer matters.
    package func examine(
        _ name: AvatarName, fromDisk: Bool = false, isRecorded: Bool = false
    ) throws(CacheError) -> Result<VerifiedPart, PartError>? {
        do throws(PosixError) {
            guard let facts = try folder.facts(of: name.string), facts.kind == .regular else { return nil }
            guard facts.size <= Limits.Picture.downloadBytesMax else {
                return .failure(.wrongSize(expected: Limits.Picture.downloadBytesMax, found: facts.size))
            }
            let file = try folder.openForReading(name.string)
            if fromDisk { file.dropCachedPages() }
            let bytes = try file.read(at: 0, count: Int(facts.size))
            let after = try file.facts()
            guard FileIdentity(after) == FileIdentity(facts), bytes.count == facts.size else {
                return .failure(.wrongSize(expected: facts.size, found: after.size))
            }
            return Self.examined(
                bytes, FileIdentity(facts), types: isRecorded ? Set(ImageFormat.allCases) : types, isWhole: isRecorded)
        } catch {
            if error.isMissing || error.isSymlink { return nil }
            return .failure(.unreadable(error))
        }
    }

    /// What `bytes` are. With a digest that was promised for them they must have that digest, and then it proves them.
    static func examined(
        _ bytes: [UInt8], _ identity: FileIdentity, promised: SHA256Digest? = nil, types: Set<ImageFormat>,
        isWhole: Bool
    ) -> Result<VerifiedPart, PartError> {
        do {
            let digest = try unsafe SHA256Digest(of: bytes.span.bytes)
            if let promised, promised != digest {
                return .failure(.wrongDigest(expected: promised, found: digest))
            }
            let image = try unsafe ImageStructure.examine(bytes.span.bytes, types: types, isWhole: isWhole)
            return .success(
                VerifiedPart(
                    identity: identity, sha256: digest, image: image,
                    assurance: promised == nil ? .structural : .digest))
        } catch let fault as ImageError {
            return .failure(.image(fault))
        } catch {
            return .failure(.noDigest("\(error)"))
        }
    }
}
