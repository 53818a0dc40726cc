/// The seed's default heads, `:/res/head_<digits>.jpg`, which live inside a client's own resources.
///
/// They are never asked of a server; a label that wants one is given a local picture (seed, "客户端加载头像").
package enum BuiltinHead {
    /// Whether `name` matches the seed's `^:/res/head_(\d+)\.jpg$`.
    package static func matches(_ name: String) -> Bool { number(of: name) != nil }

    /// The digits of a default head's name, or nil when it is none.
    package static func number(of name: String) -> Substring? {
        let (bytes, prefix, suffix) = (name.utf8, ":/res/head_".utf8, ".jpg".utf8)
        guard bytes.starts(with: prefix), bytes.reversed().starts(with: suffix.reversed()) else { return nil }
        let digits = bytes.dropFirst(prefix.count).dropLast(suffix.count)
        guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Substring(digits)
    }
}
