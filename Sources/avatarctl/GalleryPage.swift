internal import AvatarCore
internal import Foundation
internal import LabelBus
internal import PosixFiles

/// A web page of avatars: one text without references to anything outside of it.
///
/// Every text from elsewhere is escaped, and the policy (Content Security Policy, level 3) lets the browser run the one script and use
/// the one style sheet whose digests it names, show pictures that stand in the page, and load nothing.
struct GalleryPage {
    struct Entry {
        let avatar: LabelBus.Avatar
        let picture: Picture
    }

    enum Picture {
        case inside([UInt8], type: String)
        /// There is one, and the page had no room for it.
        case leftOut
        case none
    }

    private let entries: [Entry]
    /// Avatars that are not on the page.
    private let others: Int
    private let moment: Date
    private let policy: String

    init(entries: [Entry], others: Int, at moment: Date) throws(DigestError) {
        self.entries = entries
        self.others = others
        self.moment = moment
        policy = """
            default-src 'none'; img-src data:; style-src '\(try Self.source(Self.style))'; \
            script-src '\(try Self.source(Self.script))'; base-uri 'none'; form-action 'none'
            """
    }

    private static func source(_ text: String) throws(DigestError) -> String {
        let digest = try SHA256Digest(of: Array(text.utf8).span.bytes)
        return "sha256-" + Data(digest.bytes).base64EncodedString()
    }

    /// The page.
    var html: String {
        var html = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="\(policy)">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="referrer" content="no-referrer">
            <title>Avatars</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <header>
            <h1>Avatars</h1>
            <div role="search">
            <label>Search <input id="search" type="search" autocomplete="off" spellcheck="false" aria-keyshortcuts="/"></label>
            <label>State <select id="state"><option value="">all</option>\(options)</select></label>
            <output id="count" for="search state">\(entries.count) avatars</output>
            </div>
            </header>
            <main>
            <ul>

            """
        for entry in entries { html += item(entry) }
        html += "</ul>\n<p id=\"nothing\" hidden>Nothing fits.</p>\n</main>\n<footer>\n"
        for remark in remarks { html += "<p>\(Self.escaped(remark))</p>\n" }
        html += "</footer>\n<script>\(Self.script)</script>\n</body>\n</html>\n"
        return html
    }

    private var options: String {
        let states = Set(entries.map { ExactString($0.avatar.state.rawValue) }).sorted()
        return states.map { "<option>\(Self.escaped($0.string))</option>" }.joined()
    }

    private var remarks: [String] {
        var remarks = ["As the agent knew them on \(moment.formatted(.iso8601))."]
        let leftOut = entries.count { if case .leftOut = $0.picture { true } else { false } }
        if leftOut > 0 {
            let room = ByteCount(Limits.Gallery.pictureBytesMax)
            remarks.append("Pictures left out: \(leftOut), since a page holds at most \(room) of them.")
        }
        if others > 0 { remarks.append("Avatars left out: \(others), since a page holds at most \(entries.count).") }
        return remarks
    }

    private func item(_ entry: Entry) -> String {
        let avatar = entry.avatar
        let name = Self.escaped(avatar.name ?? "(unnamed)")
        let state = Self.escaped(avatar.state.rawValue)
        var html = "<li data-state=\"\(state)\"><figure>"
        switch entry.picture {
        case .inside(let bytes, let type):
            html +=
                "<img src=\"data:\(type);base64,\(Data(bytes).base64EncodedString())\" alt=\"\(name)\" decoding=\"async\">"
        case .leftOut: html += "<div class=\"empty\">left out</div>"
        case .none: html += "<div class=\"empty\">no picture</div>"
        }
        html += "<figcaption><bdi>\(name)</bdi> <span class=\"state\">\(state)</span>"
        if let reason = avatar.reason { html += "<p class=\"reason\">\(Self.escaped(reason))</p>" }
        let facts = Self.facts(avatar)
        if !facts.isEmpty {
            html += "<details><summary>Details<span class=\"unseen\"> of \(name)</span></summary><dl>"
            for (what, value) in facts { html += "<dt>\(what)</dt><dd>\(Self.escaped(value))</dd>" }
            html += "</dl></details>"
        }
        return html + "</figcaption></figure></li>\n"
    }

    private static func facts(_ avatar: LabelBus.Avatar) -> [(String, String)] {
        [
            ("Size", avatar.size.map { "\(ByteCount($0))" }), ("User", avatar.owner.map(String.init)),
            ("Proven by", avatar.assurance), ("SHA-256", avatar.sha256), ("Asked for again", avatar.retryAt),
        ].compactMap { what, value in value.map { (what, $0) } }
    }

    /// A text as the content of an element or of a quoted attribute (HTML, 13.1.2), with U+FFFD for each control character.
    static func escaped(_ text: String) -> String {
        var html = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": html += "&amp;"
            case "<": html += "&lt;"
            case ">": html += "&gt;"
            case "\"": html += "&quot;"
            case "'": html += "&#39;"
            default: html.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
            }
        }
        return html
    }
}
