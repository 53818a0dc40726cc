internal import AvatarCore
internal import PosixFiles

/// The picture that labels show until theirs is there, kept as a file because clients read files.
enum DefaultHeadFile {
    static let name = "default-head.png"

    /// Writes it where it is missing or damaged; its path.
    static func place(in stateDirectory: String) throws(PosixError) -> String {
        let folder = try Folder(path: stateDirectory)
        let bytes = DefaultHead.png
        if let facts = try folder.facts(of: name), facts.kind == .regular, facts.size == Int64(bytes.count),
            try folder.openForReading(name).read(at: 0, count: bytes.count) == bytes
        {
            return stateDirectory + "/" + name
        }
        try folder.remove(name + ".new")
        let file = try folder.create(name + ".new")
        try file.write(bytes.span.bytes, at: 0)
        try folder.rename(name + ".new", to: name, in: folder)
        return stateDirectory + "/" + name
    }
}
