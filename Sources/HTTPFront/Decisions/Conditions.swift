/// Decides what If-None-Match, If-Match, If-Range and Range mean for one representation (RFC 9110, 13 and 14).
package enum Conditions {
    /// What a request for a picture is answered with.
    package enum Answer: Hashable, Sendable {
        case whole
        /// 206 with these bytes.
        case part(Range<Int64>)
        /// 304.
        case notModified
        /// 412.
        case failed
        /// 416.
        case unsatisfiable
    }

    /// - Parameters:
    ///   - tag: the representation's entity tag, with its quotes.
    ///   - size: its bytes.
    package static func answer(
        tag: String, size: Int64, ifMatch: String?, ifNoneMatch: String?, ifRange: String?, range: String?
    ) -> Answer {
        if let ifMatch, !matches(ifMatch, tag, weakly: false) { return .failed }
        if let ifNoneMatch, matches(ifNoneMatch, tag, weakly: true) { return .notModified }
        guard let range else { return .whole }
        // A date or a weak tag never proves that the bytes are the same.
        if let ifRange, !isSame(ifRange, tag) { return .whole }
        return self.range(range, size: size)
    }

    /// Whether a list of entity tags, or `*`, names this one.
    package static func matches(_ list: String, _ tag: String, weakly: Bool) -> Bool {
        list.split(separator: ",").contains { word in
            let word = word.drop { $0 == " " || $0 == "\t" }.trimmingSuffix()
            if word == "*" { return true }
            return isSame(weakly && word.hasPrefix("W/") ? word.dropFirst(2) : word, tag)
        }
    }

    /// Several ranges, another unit and a range that breaks the grammar are ignored, as RFC 9110, 14.2, allows: the answer is the whole.
    private static func range(_ text: String, size: Int64) -> Answer {
        guard text.hasPrefix("bytes=") else { return .whole }
        let bounds = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2, bounds.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            return .whole
        }
        // Numbers that Int64 does not hold lie behind every picture.
        let numbers = bounds.map { Int64($0) ?? .max }
        switch (bounds[0].isEmpty, bounds[1].isEmpty) {
        case (true, true): return .whole
        case (true, false):
            guard numbers[1] > 0, size > 0 else { return .unsatisfiable }
            return .part(max(0, size - numbers[1])..<size)
        case (false, let isOpen):
            guard isOpen || numbers[0] <= numbers[1] else { return .whole }
            guard numbers[0] < size else { return .unsatisfiable }
            return .part(numbers[0]..<(isOpen ? size : min(size, numbers[1] == .max ? size : numbers[1] + 1)))
        }
    }

    /// By bytes: `String` takes some texts for equal whose bytes differ.
    private static func isSame(_ left: some StringProtocol, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8)
    }
}

extension Substring {
    fileprivate func trimmingSuffix() -> Substring {
        var text = self
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
