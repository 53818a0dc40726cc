package import AvatarCore
package import PosixFiles

/// A crop that is closed and complete.
package struct CropFacts: Hashable, Sendable {
    package let name: AvatarName
    package let identity: FileIdentity
    /// Nanoseconds since 1970 of the last change of the file's bytes, names or mode (ctime).
    package let changed: Int64
    package let md5: MD5Digest
    package let sha256: SHA256Digest
    package let image: ImageFacts

    package init(
        name: AvatarName, identity: FileIdentity, changed: Int64, md5: MD5Digest, sha256: SHA256Digest,
        image: ImageFacts
    ) {
        self.name = name
        self.identity = identity
        self.changed = changed
        self.md5 = md5
        self.sha256 = sha256
        self.image = image
    }
}

/// What a look at one file of the upload folder found.
package enum CropFinding: Hashable, Sendable {
    /// Nobody writes it any more, and it is a complete picture.
    case settled(CropFacts)
    /// A writer has it open, or it changed while it was read: its close will be heard.
    case busy
    /// It is not there (any more).
    case vanished
    /// It is not to be uploaded. The file is nil where it could not be read: whether it may be uploaded is not known then.
    case rejected(CropError, RejectedFile?)
}

/// A file that is not to be uploaded, as it lies there.
package struct RejectedFile: Hashable, Sendable {
    package let identity: FileIdentity
    /// Nanoseconds since 1970 of the last change of the file's bytes, names or mode (ctime).
    package let changed: Int64
    /// Whether it is a file with bytes, and no folder, symlink or the like.
    package let isRegular: Bool

    init(_ facts: FileFacts) {
        identity = FileIdentity(facts)
        changed = facts.changed
        isRegular = facts.kind == .regular
    }
}

/// What a look at a name that has just appeared found.
package enum Appearance: Hashable, Sendable {
    /// Nothing lies there, or nothing yet: a file of which no byte was written.
    case nothing
    /// A writer has the file open.
    case writer
    /// Nobody writes it: it is to be examined.
    case whole
}

/// Whether a file could be examined now.
package enum Reading: Hashable, Sendable {
    case possible
    /// A writer has it open.
    case writer
    /// It cannot be read, for this reason.
    case refused(String)
}

/// What a read of a crop's bytes found.
package enum CropChunk: Hashable, Sendable {
    case bytes([UInt8])
    /// The file at that name is no longer the one that was examined: begin anew.
    case changed
}

/// The folder of crops: every closed picture in it is the user's next avatar. One thread uses it.
package final class UploadFolder {
    /// The folder's path, for messages.
    package let path: String
    let folder: Folder
    /// The largest picture that is taken.
    package var bytesMax: Int64
    /// Names of files that are no crops whatever they hold (`upload.ignore`).
    package let ignored: NamePatterns
    /// The formats that are taken (`pictures.types`).
    package let types: Set<ImageFormat>
    /// How this folder waits for the disk; a test puts a failing one here.
    var diskSync = DiskSync()
    private let probe: (borrowing OpenFile) -> OpenFile.LeaseAnswer
    private var open: [(facts: CropFacts, file: OpenPart)] = []

    /// Opens the folder at `path`, made with mode 0700 as far as `making` says. From here on SIGIO is ignored in this process, since a
    /// lease that is broken while it is probed sends one.
    package convenience init(
        path: String, bytesMax: Int64 = Limits.Picture.uploadBytesMaxDefault, ignored: NamePatterns = .none,
        types: Set<ImageFormat> = ImageFormat.usual, making: Folder.Making = .all
    ) throws(CacheError) {
        LeaseSignal.ignore()
        try self.init(path: path, bytesMax: bytesMax, ignored: ignored, types: types, making: making) {
            $0.probeLease()
        }
    }

    /// With another way to ask about writers, for file systems that a test cannot have.
    init(
        path: String, bytesMax: Int64, ignored: NamePatterns = .none, types: Set<ImageFormat> = ImageFormat.usual,
        making: Folder.Making = .all,
        probe: @escaping (borrowing OpenFile) -> OpenFile.LeaseAnswer
    ) throws(CacheError) {
        do { folder = try Folder.open(path: path, making: making) } catch {
            throw CacheError(error, "opening the upload folder \(path)")
        }
        self.path = path
        self.bytesMax = bytesMax
        self.types = types
        self.ignored = ignored
        self.probe = probe
    }

    /// Where the path of the folder that is open here leads now. When the folder was replaced, moved away or unmounted the caller opens
    /// another.
    package func standing() -> PathStanding { folder.standing() }

    /// What names this folder among those that lay at the path, also after it was unmounted and mounted again.
    package func lastingKey() throws(CacheError) -> String {
        do { return try folder.lastingKey() } catch { throw CacheError(error, "looking at the upload folder \(path)") }
    }

    /// Looks at `name`: whether it is settled, and what it is.
    ///
    /// A file is settled when a read lease, probed before and after the file is read, shows no writer, and when size and time are the same
    /// before and after. Where the file system has no leases, two reads must give the same bytes.
    ///
    /// - Parameter whole: The file of which somebody knows that nobody goes on writing it; it may lack its end mark.
    package func examine(_ name: AvatarName, whole: FileIdentity? = nil) -> CropFinding {
        do throws(PosixError) {
            guard !ignored.match(name.string), let lying = try folder.facts(of: name.string) else { return .vanished }
            switch lying.kind {
            case .regular: break
            case .symlink: return .rejected(.symlink, RejectedFile(lying))
            case .folder: return .rejected(.folder, RejectedFile(lying))
            case .other: return .rejected(.notRegular, RejectedFile(lying))
            }
            let file = try folder.openForReading(name.string)
            return try examine(name, file, whole: whole)
        } catch {
            if error.isMissing { return .vanished }
            if error.isSymlink { return .rejected(.symlink, nil) }
            return .rejected(.unreadable(error), nil)
        }
    }

    /// Looks at a name that has just appeared. Most files appear because their writer has made them, and the writer's close will be heard;
    /// a link, a symlink or a folder is not closed by anybody.
    package func appearance(of name: AvatarName) -> Appearance {
        do throws(PosixError) {
            guard !ignored.match(name.string), let lying = try folder.facts(of: name.string) else { return .nothing }
            guard lying.kind == .regular else { return .whole }
            switch probe(try folder.openForReading(name.string)) {
            case .writer: return .writer
            case .noWriter: return try folder.facts(of: name.string)?.size ?? 0 > 0 ? .whole : .nothing
            // Where nobody can tell whether it is being written, only a second name shows that it was made elsewhere.
            case .unknown: return lying.links > 1 ? .whole : .nothing
            }
        } catch {
            // The examination says what is wrong with it.
            return error.isMissing ? .nothing : .whole
        }
    }

    /// What lies at the name, whatever it is; nil for nothing.
    package func lying(at name: AvatarName) throws(CacheError) -> RejectedFile? {
        do throws(PosixError) { return try folder.facts(of: name.string).map { RejectedFile($0) } } catch {
            throw CacheError(error, "looking at \(name) in the upload folder")
        }
    }

    /// Whether the file could be examined now; none of its bytes is read.
    package func reading(of name: AvatarName) -> Reading {
        do throws(PosixError) {
            guard let lying = try folder.facts(of: name.string), lying.kind == .regular else { return .possible }
            return probe(try folder.openForReading(name.string)) == .writer ? .writer : .possible
        } catch {
            return error.isMissing || error.isSymlink ? .possible : .refused(CropError.unreadable(error).description)
        }
    }

    private func examine(
        _ name: AvatarName, _ file: borrowing OpenFile, whole: FileIdentity?
    ) throws(PosixError) -> CropFinding {
        let before = try file.facts()
        let identity = FileIdentity(before)
        guard before.kind == .regular else { return .rejected(.notRegular, RejectedFile(before)) }
        let answer = probe(file)
        guard answer != .writer else { return .busy }
        guard before.size <= bytesMax else {
            return .rejected(.tooLarge(size: before.size, limit: bytesMax), RejectedFile(before))
        }
        let bytes = try file.read(at: 0, count: Int(before.size))
        let verdict = verdict(name, before, bytes, isWhole: identity == whole)
        // The bytes that were read mean nothing when somebody wrote meanwhile.
        guard probe(file) != .writer else { return .busy }
        if answer == .unknown {
            // A write within one tick of the clock leaves the file's time as it was; two reads that differ show the write.
            guard try file.read(at: 0, count: Int(before.size)) == bytes else { return .busy }
        }
        let after = try file.facts()
        guard FileIdentity(after) == identity, bytes.count == before.size else { return .busy }
        // The bytes may have been written over, and the time put back.
        guard after.changed == before.changed || answer == .noWriter else { return .busy }
        guard let lying = try folder.facts(of: name.string) else { return .vanished }
        return FileIdentity(lying) == identity ? verdict : .busy
    }

    private func verdict(
        _ name: AvatarName, _ file: FileFacts, _ bytes: [UInt8], isWhole: Bool
    ) -> CropFinding {
        do {
            let image = try unsafe ImageStructure.examine(bytes.span.bytes, types: types, isWhole: isWhole)
            let facts = CropFacts(
                name: name, identity: FileIdentity(file), changed: file.changed,
                md5: try unsafe MD5Digest(of: bytes.span.bytes),
                sha256: try unsafe SHA256Digest(of: bytes.span.bytes), image: image)
            return .settled(facts)
        } catch let fault as ImageError {
            return .rejected(.image(fault), RejectedFile(file))
        } catch {
            return .rejected(.unreadable(PosixError("EVP_DigestInit", path: name.string, code: 38)), nil)
        }
    }

    /// The bytes `range` of a crop that was examined, if it still is that file and nobody writes it.
    package func readChunk(of facts: CropFacts, _ range: Range<Int64>) throws(CacheError) -> CropChunk {
        do throws(PosixError) {
            let part = try opened(facts)
            guard let part, probe(part.file) != .writer else { return forget(facts) }
            let bytes = try part.file.read(at: range.lowerBound, count: range.count)
            guard FileIdentity(try part.file.facts()) == facts.identity, bytes.count == range.count else {
                return forget(facts)
            }
            return .bytes(bytes)
        } catch {
            if error.isMissing || error.isSymlink { return forget(facts) }
            throw CacheError(error, "reading the crop \(facts.name)")
        }
    }

    /// Copies the crop into an empty file; false when it is no longer the file that was examined.
    func copy(_ facts: CropFacts, into part: borrowing OpenFile) throws(PosixError) -> Bool {
        guard let crop = try opened(facts) else { return false }
        try part.copyAll(of: crop.file, size: facts.identity.size)
        let after = FileIdentity(try crop.file.facts())
        finishReading(facts.name)
        return after == facts.identity
    }

    /// Closes the descriptor that ``readChunk(of:_:)`` keeps.
    package func finishReading(_ name: AvatarName) { open.removeAll { $0.facts.name == name } }

    private func forget(_ facts: CropFacts) -> CropChunk {
        finishReading(facts.name)
        return .changed
    }

    private func opened(_ facts: CropFacts) throws(PosixError) -> OpenPart? {
        if let known = open.first(where: { $0.facts == facts }) { return known.file }
        let file = OpenPart(try folder.openForReading(facts.name.string))
        guard FileIdentity(try file.file.facts()) == facts.identity else { return nil }
        if open.count >= Limits.Cache.openCropsMax { open.removeFirst() }
        open.append((facts, file))
        return file
    }
}
