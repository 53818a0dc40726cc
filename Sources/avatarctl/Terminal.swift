internal import Glibc

/// What the place where output goes can show.
enum Terminal {
    /// Whether text may be coloured: on a terminal that can, unless `NO_COLOR` has any value (https://no-color.org).
    static var isColoured: Bool {
        Output.isTerminal && text("NO_COLOR").isEmpty && !["", "dumb"].contains(text("TERM"))
    }

    /// What of ECMA-48's "select graphic rendition" is used.
    enum Style: Int {
        case bold = 1
        case dim = 2
        case red = 31
        case green = 32
        case yellow = 33
    }

    /// The text in that style. It is made harmless here, since what steers the terminal stands around it from then on.
    static func styled(_ text: String, _ style: Style?) -> String {
        let text = Output.harmless(text)
        guard let style, isColoured else { return text }
        return "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m"
    }

    private static func text(_ variable: String) -> String { getenv(variable).map { String(cString: $0) } ?? "" }
}
