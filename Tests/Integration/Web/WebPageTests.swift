import AvatarCore
import BusTestSupport
import Foundation
import Synchronization
import TestPictures
import Testing

private let chromium = "/usr/bin/chromium"

extension RealPrograms {
    /// Pages of another origin in a real browser, whose pictures and stream of changes come from the server.
    @Suite(
        "Web pages",
        .enabled(if: FileManager.default.isExecutableFile(atPath: chromium), "needs chromium from Debian"))
    struct WebPages {
        /// What a page says of the picture that it shows: width, the colour of a pixel, and the digest of what it got by a script of its own.
        private struct Shown: Hashable, Decodable {
            let width: Int
            let pixel: [Int]
            let sha256: String
        }

        /// The script of a page that tells of each picture which the element `face` shows, and of every complaint.
        private static let witness = """
            <script>
            const tell = what => fetch("/told?" + encodeURIComponent(JSON.stringify(what)))
            const hex = bytes => [...new Uint8Array(bytes)].map(byte => byte.toString(16).padStart(2, "0")).join("")
            face.addEventListener("load", async () => {
                const canvas = document.createElement("canvas").getContext("2d")
                canvas.drawImage(face, 0, 0)
                const bytes = await (await fetch(face.src)).arrayBuffer()
                tell({width: face.naturalWidth, pixel: [...canvas.getImageData(1, 1, 1, 1).data],
                    sha256: hex(await crypto.subtle.digest("SHA-256", bytes))})
            })
            </script>
            """

        /// Opens the site in a browser that takes this stage's certificate for good, and runs `body` meanwhile.
        private func open(_ site: Site, _ stage: WebStage, _ body: () async throws -> Void) async throws {
            let key = try #require(Data(hex: try await stage.publicKeyDigest())).base64EncodedString()
            let browser = try RunningProgram(
                chromium,
                [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                    "--user-data-dir=\(stage.folder.file("profile"))", "--ignore-certificate-errors-spki-list=\(key)",
                    site.url,
                ], environment: ["HOME": stage.folder.path], in: stage.folder)
            do {
                try await body()
            } catch {
                _ = try? await browser.terminate()
                throw error
            }
            _ = try await browser.terminate()
        }

        /// A page's own web server: another origin than the avatars'.
        private final class Site: Sendable {
            private let told: AsyncStream<String>
            private let server: OddWebServer
            private let page: Page

            private final class Page: Sendable {
                let bytes = Mutex<[UInt8]>([])
            }

            init() async throws {
                let (told, telling) = AsyncStream<String>.makeStream()
                let page = Page()
                (self.told, self.page) = (told, page)
                server = try await OddWebServer { head in
                    let path = head.split(separator: " ").dropFirst().first.map(String.init) ?? ""
                    if path.hasPrefix("/told?") { telling.yield(path.dropFirst(6).removingPercentEncoding ?? "") }
                    let body = path == "/" ? page.bytes.withLock { $0 } : []
                    return .init("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: \(body.count)", body)
                }
            }

            var url: String { server.url }

            func show(_ text: String) {
                page.bytes.withLock { $0 = Array("<!DOCTYPE html><meta charset=utf-8>\(text)".utf8) }
            }

            /// What the page tells next.
            func next() async throws -> String {
                let told = told
                return try await within(patience, "a word from the page") {
                    for await text in told { return text }
                    throw CancellationError()
                }
            }

            /// So many pictures that the page shows; `whenReady` runs once it hears of changes and has shown the first.
            func shown(_ count: Int, whenReady: () async throws -> Void) async throws -> [Shown] {
                var shown: [Shown] = []
                var isReady = false
                while shown.count < count {
                    let text = try await next()
                    if text == "\"ready\"" {
                        isReady = true
                    } else {
                        shown.append(try JSONDecoder().decode(Shown.self, from: Data(text.utf8)))
                    }
                    if isReady, shown.count == 1 { try await whenReady() }
                }
                return shown
            }

            func close() async { await server.close() }
        }

        /// A picture of one colour, so many pixels wide and high.
        private func square(_ side: Int, _ red: UInt8, _ green: UInt8, _ blue: UInt8) -> [UInt8] {
            func number(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
            func chunk(_ kind: String, _ data: [UInt8]) -> [UInt8] {
                let bytes = Array(kind.utf8) + data
                return number(UInt32(data.count)) + bytes + number(CRC32.checksum(bytes.span))
            }
            let row = [0] + Array(repeating: [red, green, blue], count: side).joined()
            let raw = Array(Array(repeating: row, count: side).joined())
            // One stored block (RFC 1951, 3.2.4) in zlib's frame (RFC 1950).
            let length = [UInt8(truncatingIfNeeded: raw.count), UInt8(truncatingIfNeeded: raw.count >> 8)]
            let sums = raw.reduce((a: UInt32(1), b: UInt32(0))) { sums, byte in
                let a = (sums.a + UInt32(byte)) % 65521
                return (a, (sums.b + a) % 65521)
            }
            let data = [0x78, 0x01, 1] + length + length.map { ~$0 } + raw + number(sums.b << 16 | sums.a)
            return [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]
                + chunk("IHDR", number(UInt32(side)) + number(UInt32(side)) + [8, 2, 0, 0, 0]) + chunk("IDAT", data)
                + chunk("IEND", [])
        }

        /// The page of docs/http.md, at this stage's server.
        private func documentedPage(_ stage: WebStage) throws -> String {
            let blocks = try Documents.blocks(of: "docs/http.md", in: "html")
            try #require(blocks.count == 1)
            let page = blocks[0].replacing("https://avatars.example.org", with: stage.url)
            try #require(page != blocks[0])
            return page
        }

        @Test("the page of docs/http.md shows a friend's avatar, and another one as soon as the friend has another")
        func changes() async throws {
            let site = try await Site()
            try await WebStage.run { stage in
                try await stage.restartServer(["--http-public-avatars", "true", "--http-cors-origins", site.url])
                let (red, blue) = (square(8, 250, 0, 0), square(12, 0, 0, 250))
                try await stage.put(red, "face.png", by: stage.bob)
                // A canvas tells a pixel only of a picture that was asked for with CORS.
                let page = try documentedPage(stage).replacing("<img ", with: "<img crossorigin=anonymous ")
                site.show(
                    page + Self.witness
                        + "<script>changes.addEventListener('ready', () => tell('ready'))</script>")
                try await open(site, stage) {
                    let shown = try await site.shown(2) { try await stage.put(blue, "face.png", by: stage.bob) }
                    #expect(
                        shown == [
                            Shown(width: 8, pixel: [250, 0, 0, 255], sha256: sha256(red)),
                            Shown(width: 12, pixel: [0, 0, 250, 255], sha256: sha256(blue)),
                        ])
                }
            }
            await site.close()
        }

        @Test("a page that is not listed shows the picture, and its scripts read nothing")
        func notListed() async throws {
            let site = try await Site()
            try await WebStage.run { stage in
                try await stage.restartServer([
                    "--http-public-avatars", "true", "--http-cors-origins", "https://b.example.org",
                ])
                try await stage.put(square(8, 250, 0, 0), "face.png", by: stage.bob)
                site.show(
                    try documentedPage(stage) + """
                        <script>
                        const tell = what => fetch("/told?" + encodeURIComponent(JSON.stringify(what)))
                        face.addEventListener("load", async () => {
                            const canvas = document.createElement("canvas").getContext("2d")
                            canvas.drawImage(face, 0, 0)
                            const answers = [face.naturalWidth]
                            try { canvas.getImageData(1, 1, 1, 1); answers.push("read") } catch (error) { answers.push(error.name) }
                            try { await fetch(face.src); answers.push("read") } catch (error) { answers.push(error.name) }
                            if (changes.readyState != EventSource.CLOSED) await new Promise(done => changes.onerror = done)
                            tell([...answers, changes.readyState])
                        })
                        </script>
                        """)
                try await open(site, stage) {
                    let told = try await site.next()
                    #expect(told == #"[8,"SecurityError","TypeError",2]"#)
                }
            }
            await site.close()
        }

        @Test("where avatars are not public, a script logs in, reads the stream and sends a picture in pieces")
        func login() async throws {
            let site = try await Site()
            try await WebStage.run { stage in
                try await stage.restartServer(["--http-cors-origins", site.url])
                let (red, blue) = (square(8, 250, 0, 0), square(12, 0, 0, 250))
                try await stage.put(red, "face.png", by: stage.bob)
                let token = String(decoding: contents(stage.ada.tokenFile) ?? [], as: UTF8.self)
                    .trimmingCharacters(in: .newlines)
                site.show(
                    """
                    <script type=module>
                    const tell = what => fetch("/told?" + encodeURIComponent(JSON.stringify(what)))
                    const hex = bytes => [...new Uint8Array(bytes)].map(byte => byte.toString(16).padStart(2, "0")).join("")
                    const base = "\(stage.url)/v1", login = {Authorization: "Basic " + btoa("1001:\(token)")}
                    const show = async () => {
                        const answer = await fetch(base + "/users/1002/avatar", {headers: login})
                        tell({width: (await createImageBitmap(await answer.clone().blob())).width, pixel: [],
                            sha256: hex(await crypto.subtle.digest("SHA-256", await answer.arrayBuffer()))})
                    }
                    const tus = {...login, "Tus-Resumable": "1.0.0"}
                    const picture = Uint8Array.from(atob("\(Data(blue).base64EncodedString())"), letter => letter.charCodeAt(0))
                    const begun = await fetch(base + "/users/1001/uploads", {method: "POST", headers: {
                        ...tus, "Upload-Length": picture.length, "Upload-Metadata": "filename " + btoa("mine.png")}})
                    for (let at = 0; at < picture.length; at += 300)
                        await fetch(new URL(begun.headers.get("Location"), base), {method: "PATCH", body: picture.slice(at, at + 300), headers: {
                            ...tus, "Upload-Offset": at, "Content-Type": "application/offset+octet-stream"}})
                    const stream = await fetch(base + "/changes?user=1002", {headers: login})
                    for await (const text of stream.body.pipeThrough(new TextDecoderStream())) {
                        if (text.includes("event: ready")) { await show(); tell("ready") }
                        if (text.includes("event: avatar")) show()
                    }
                    </script>
                    """)
                try await open(site, stage) {
                    let shown = try await site.shown(2) { try await stage.put(blue, "face.png", by: stage.bob) }
                    #expect(shown.map(\.sha256) == [sha256(red), sha256(blue)])
                    #expect(shown.map(\.width) == [8, 12])
                    #expect(sha256(ofFile: stage.server.path(stage.ada, "mine.png")) == sha256(blue))
                }
            }
            await site.close()
        }
    }
}

extension Data {
    /// Bytes from pairs of hexadecimal digits.
    fileprivate init?(hex: String) {
        var bytes: [UInt8] = []
        var rest = hex[...]
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        self.init(bytes)
    }
}
