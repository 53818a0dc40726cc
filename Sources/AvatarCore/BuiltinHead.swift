/// The seed's default heads, `:/res/head_<digits>.jpg`, which live inside a client's own resources.
///
/// They are never asked of a server; a label that wants one is given a local picture (seed, "客户端加载头像").
package enum BuiltinHead {
    /// Whether `name` matches the seed's `^:/res/head_(\d+)\.jpg$`.
    package static func matches(_ name: String) -> Bool { number(of: name) != nil }

    /// The digits of a default head's name, or nil when it is none.
    package static func number(of name: String) -> Substring? {
        guard name.hasPrefix(":/res/head_"), name.hasSuffix(".jpg") else { return nil }
        let digits = name.dropFirst(":/res/head_".count).dropLast(".jpg".count)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return digits
    }
}
