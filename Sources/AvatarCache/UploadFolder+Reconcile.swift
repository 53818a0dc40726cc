package import AvatarCore
internal import GRDB
internal import PosixFiles

/// What a comparison of the upload folder with the catalog found.
package struct UploadComparison: Hashable, Sendable {
    /// New files, and files with another inode, size or time than was recorded, the oldest change first: to be examined.
    package var candidates: [AvatarName] = []
    /// Rows whose files are gone.
    package var vanished: [AvatarName] = []
    /// Files that are there.
    package var files = 0
    /// Files whose names no avatar may have, at most a few.
    package var invalid: [AvatarNameError] = []
}

extension UploadFolder {
    /// Compares the folder with the catalog by (inode, size, mtime); no file is read. In a folder that is `shared` with the cache, what
    /// is recorded there is known too.
    package func compare(with catalog: Catalog, shared: Bool = false) throws(CacheError) -> UploadComparison {
        let listing: FolderListing
        do { listing = try FolderListing(folder) } catch { throw CacheError(error, "reading the upload folder") }
        var result = UploadComparison(files: listing.count, invalid: listing.invalid)
        var candidates: [Int] = []
        let columns = "name, inode, size, modified"
        let cached = shared ? "UNION ALL SELECT \(columns), 0 FROM avatars" : ""
        try catalog.read("comparing the upload folder") { db in
            var index = 0
            var isKnown = false
            func pass() {
                if !isKnown { candidates.append(index) }
                (index, isKnown) = (index + 1, false)
            }
            let rows = try Row.fetchCursor(db, sql: "SELECT \(columns), 1 FROM crops \(cached) ORDER BY name")
            while let row = try rows.next() {
                let name: String = row[0]
                while index < listing.count, listing.compare(index, with: name) < 0 { pass() }
                guard index < listing.count, listing.compare(index, with: name) == 0 else {
                    if row[4] == 1 { result.vanished.append(try AvatarName(name)) }
                    continue
                }
                let found = listing.identity(index)
                // A name may have a row in both tables: one that fits is enough.
                isKnown =
                    isKnown
                    || (found.inode == UInt64(bitPattern: row[1]) && found.size == row[2] && found.modified == row[3])
            }
            while index < listing.count { pass() }
        }
        result.candidates = listing.oldestFirst(candidates).compactMap { try? listing.name($0) }
        return result
    }

    /// Records every file in the folder as dealt with, without reading it, after a catalog was lost (`docs/architecture.md`). Returns how
    /// many files were recorded.
    package func adoptBaseline(in catalog: Catalog) throws(CacheError) -> Int {
        let listing: FolderListing
        do { listing = try FolderListing(folder) } catch { throw CacheError(error, "reading the upload folder") }
        let ordered = listing.oldestFirst(Array(0..<listing.count))
        return try catalog.write("taking the upload folder for a baseline") { db in
            var adopted = 0
            for index in ordered {
                let name = try listing.name(index)
                guard try Catalog.crop(name, db) == nil else { continue }
                try CropRow(
                    name: name, identity: listing.identity(index), md5: nil, sha256: nil, state: .baseline,
                    closedOrder: try Catalog.nextCloseOrder(db), account: nil, uploadedTo: nil, incompleteCloses: 0
                ).upsert(db)
                adopted += 1
            }
            return adopted
        }
    }

    /// Removes the temporary files of imports that were killed.
    package func removeLeftovers() throws(CacheError) {
        do {
            var leftovers: [String] = []
            try folder.forEachName { if $0.hasPrefix(Self.importPrefix) { leftovers.append($0) } }
            for name in leftovers where try folder.facts(of: name)?.kind == .regular { try folder.remove(name) }
        } catch {
            throw CacheError(error, "clearing up the upload folder")
        }
    }

    private static let importPrefix = "\(WorkFile.prefix)import-"

    /// Copies a picture from anywhere into this folder, as `<first 32 digits of its SHA-256>.<extension>` (`docs/label-bus.md`, `Upload`).
    /// It appears under that name complete, by a rename. A copy that is there already stays as it is, or is made anew with `renewing`: then its
    /// time is that of the person's word.
    ///
    /// - Throws: ``ImportError`` for what is no picture, too large, or not readable; ``CacheError`` for this folder's own trouble.
    package func importFile(path: String, renewing: Bool = false) throws -> AvatarName {
        let bytes = try read(path)
        let image: ImageFacts
        do throws(ImageError) {
            image = try unsafe ImageStructure.examine(bytes.span.bytes, types: types, isWhole: true)
        } catch {
            throw ImportError.notAnImage(path: path, error)
        }
        let digest = try unsafe SHA256Digest(of: bytes.span.bytes)
        let name = try AvatarName("\(digest.hex.prefix(32)).\(image.format.fileExtension)")
        do {
            if !renewing, let lying = try folder.facts(of: name.string), lying.kind == .regular,
                lying.size == Int64(bytes.count)
            {
                let there = try folder.openForReading(name.string).read(at: 0, count: bytes.count)
                if there == bytes { return name }
            }
            let temporary = Self.importPrefix + digest.hex.prefix(32)
            try unsafe folder.place(bytes.span.bytes, at: name.string, by: temporary, sync: diskSync)
            return name
        } catch {
            throw CacheError(error, "importing \(path)")
        }
    }

    private func read(_ path: String) throws(ImportError) -> [UInt8] {
        let file = try Self.open(path)
        let facts: FileFacts
        do { facts = try file.facts() } catch { throw .unreadable(path: path, error) }
        guard facts.kind == .regular else { throw .notRegular(path: path) }
        guard facts.size <= bytesMax else { throw .tooLarge(path: path, size: facts.size, limit: bytesMax) }
        do { return try file.read(at: 0, count: Int(facts.size)) } catch { throw .unreadable(path: path, error) }
    }

    private static func open(_ path: String) throws(ImportError) -> OpenFile {
        do { return try OpenFile.open(path: path) } catch { throw .unreadable(path: path, error) }
    }
}
