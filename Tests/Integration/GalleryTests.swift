import AvatarCore
import BusTestSupport
import Foundation
import TestPictures
import Testing

/// Whether Debian's chromium is there; `scripts/setup.sh test` installs it.
private let hasChromium = FileManager.default.isExecutableFile(atPath: "/usr/bin/chromium")

extension RealPrograms {
    /// `avatarctl gallery`: the page as it is written, and as a real browser takes it.
    @Suite("The gallery")
    struct GalleryTests {
        /// Names and a reason that a page must not take for its own words.
        private static let hostile = [
            "<img src=x onerror=alert(1)>.png", "\"><script>document.title='owned'<&script>.png", "a&lt;b&amp;.png",
            "'onload='x.png",
        ]

        /// The page of an agent that knows all test pictures, some under hostile names, and one that is not to be had.
        private func withPage(_ body: (Stage, String) async throws -> Void) async throws {
            try await Stage.run { stage in
                let pictures = try TestPictures.all().filter { !$0.name.contains("large") }
                for (name, bytes) in pictures { try stage.server.place(bytes, name, for: stage.ada) }
                for name in Self.hostile { try stage.server.place(try TestPictures.tiny(.png), name, for: stage.ada) }
                try await stage.startAgent()
                try await stage.agent.fetch(pictures.map(\.name) + Self.hostile + ["nobody.png"])
                let path = stage.folder.file("gallery.html")
                let result = try await stage.ctl("gallery", "--output", path)
                #expect(result.status == 0, "\(result.errors)")
                let count = pictures.count + Self.hostile.count
                #expect(result.lines == ["\(path): \(count + 1) avatars, \(count) with their pictures"])
                try await body(stage, path)
            }
        }

        @Test("one file for its owner alone, with every picture in it, and nothing from elsewhere")
        func page() async throws {
            try await withPage { stage, path in
                let page = try String(contentsOfFile: path, encoding: .utf8)
                #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
                let bruno = Data(try TestPictures.picture("bruno.png")).base64EncodedString()
                #expect(page.contains("<img src=\"data:image/png;base64,\(bruno)\" alt=\"bruno.png\""))
                #expect(page.contains("data:image/jpeg;base64,") && page.contains("data:image/bmp;base64,"))
                #expect(!page.contains(/(?:src|href|action)="(?!data:image)/), "it refers to nothing outside")
                #expect(!page.contains(/(?i)<img src=x|onerror=alert\(1\)>/), "no name is markup")
                #expect(page.contains("&lt;img src=x onerror=alert(1)&gt;.png"))
                // Without --output the same goes to standard output.
                let printed = try await stage.ctl("gallery")
                #expect(printed.output.hasPrefix("<!DOCTYPE html>") && printed.output.hasSuffix("</html>\n"))
            }
        }

        @Test("a browser runs its script alone, and searches", .enabled(if: hasChromium, "needs chromium from Debian"))
        func browser() async throws {
            try await withPage { stage, path in
                let check = Program.packageFolder + "/scripts/check-gallery"
                let result = try await Program.run(check, [path, "bruno"], in: stage.folder)
                #expect(result.status == 0, "\(result.output)\(result.errors)")
                #expect(
                    result.lines == [
                        "ok    all 19 avatars are shown", "ok    a search for \"bruno\" shows 1 of 19 avatars",
                        "ok    a search for absent ones shows 1 of 19 avatars",
                        "ok    nothing but the page's own script and style is used",
                        "ok    every picture is drawn",
                    ], "\(result.lines)")
            }
        }
    }
}
