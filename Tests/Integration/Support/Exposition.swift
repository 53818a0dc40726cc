import Foundation

/// Prometheus' text format (exposition format 0.0.4), read strictly: what a scraper might forgive is an error here.
struct Exposition {
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    struct Sample: Hashable {
        let name: String
        let labels: [String: String]
    }

    /// `counter` or `gauge`, by the metric's name.
    private(set) var kinds: [String: String] = [:]
    private(set) var samples: [Sample: Double] = [:]

    init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Fault(description: "the last line has no end") }
        var helped: String?
        var current: String?
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            if let match = line.wholeMatch(of: /# HELP ([a-zA-Z_:][\w:]*) (\S.*\.)/) {
                helped = String(match.1)
            } else if let match = line.wholeMatch(of: /# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge)/) {
                let name = String(match.1)
                guard helped == name, kinds[name] == nil else {
                    throw Fault(description: "no HELP before, or twice: \(line)")
                }
                guard (match.2 == "counter") == name.hasSuffix("_total") else {
                    throw Fault(description: "a counter's name ends in _total, and no other's: \(line)")
                }
                kinds[name] = String(match.2)
                current = name
            } else {
                let (sample, value) = try Self.sample(String(line))
                guard sample.name == current else { throw Fault(description: "not in its metric's group: \(line)") }
                guard samples.updateValue(value, forKey: sample) == nil else {
                    throw Fault(description: "twice: \(line)")
                }
                if kinds[sample.name] == "counter", value < 0 { throw Fault(description: "below 0: \(line)") }
            }
        }
    }

    private static func sample(_ line: String) throws -> (Sample, Double) {
        guard let match = line.wholeMatch(of: /([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/), let value = Double(match.3)
        else {
            throw Fault(description: "no sample: \(line)")
        }
        var labels: [String: String] = [:]
        var rest = match.2 ?? ""
        while !rest.isEmpty {
            guard let label = rest.prefixMatch(of: /([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\"n])*)"(,(?=.)|$)/),
                labels.updateValue(unescaped(label.2), forKey: String(label.1)) == nil
            else { throw Fault(description: "no labels: \(line)") }
            rest = rest[label.range.upperBound...]
        }
        return (Sample(name: String(match.1), labels: labels), value)
    }

    private static func unescaped(_ text: Substring) -> String {
        var plain = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                plain.append(character == "n" ? "\n" : character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                plain.append(character)
            }
        }
        return plain
    }

    /// The values of a metric's samples that have these labels among theirs.
    func values(_ name: String, _ labels: [String: String] = [:]) -> [Double] {
        samples.filter { sample, _ in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }.map(\.value)
    }
}
