import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Foundation
internal import LabelBus
internal import PosixFiles

struct Gallery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a web page of all avatars that the agent knows.",
        discussion: """
            One file of HTML with the pictures in it, which loads nothing from elsewhere: to look through, to search, to keep. At most \
            64 MiB of pictures and 10,000 avatars; what is left out is said on the page.
            """)

    @Option(
        help: ArgumentHelp("The file to write, instead of standard output.", valueName: "file"), completion: .file())
    var output: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if common.json { throw ValidationError("a web page is no JSON; avatarctl list --json has what stands on it") }
    }

    func run() async throws {
        try await common.run { client in
            var entries: [GalleryPage.Entry] = []
            var room = Limits.Gallery.pictureBytesMax
            var others = 0
            for try await avatar in client.list() {
                guard entries.count < Limits.Gallery.avatarsMax else {
                    others += 1
                    continue
                }
                entries.append(GalleryPage.Entry(avatar: avatar, picture: Self.picture(of: avatar, &room)))
            }
            let page = try GalleryPage(entries: entries, others: others, at: Date()).html
            guard let output else { return Output.raw(page) }
            try OutputFile.replace(output, with: Array(page.utf8), mode: 0o600)
            let shown = entries.count { if case .inside = $0.picture { true } else { false } }
            Output.line("\(output): \(entries.count) avatars, \(shown) with their pictures")
        }
    }

    /// Reads a picture as long as there is room for it, and takes that room.
    private static func picture(of avatar: Avatar, _ room: inout Int) -> GalleryPage.Picture {
        guard let path = avatar.picture else { return .none }
        do throws(PosixError) {
            let file = try OpenFile.open(path: path)
            let size = Int(try file.facts().size)
            guard size <= room else { return .leftOut }
            let bytes = try file.read(at: 0, count: size)
            guard let format = ImageFormat(firstBytes: bytes.span.bytes) else { return .none }
            room -= bytes.count
            return .inside(bytes, type: format.mediaType)
        } catch {
            // It went between the agent's word and now.
            return .none
        }
    }
}

extension ImageFormat {
    /// Its type for browsers (the IANA registry of media types).
    fileprivate var mediaType: String { "image/" + rawValue }
}
