internal import AvatarCore
internal import Glibc

/// A folder whose place is followed, and entries of it whose coming and going matters.
package struct FollowedPath: Hashable, Sendable {
    /// The folder's path, which may lead through symlinks, or to nothing.
    package let folder: String
    /// Names in it.
    package let names: [String]

    package init(folder: String, names: [String] = []) {
        self.folder = folder
        self.names = names
    }
}

/// The folders on the way to a path, and which of their entries could lead the path elsewhere.
///
/// A folder on the way is watched for being moved or removed itself. Its entries are watched only where one of them decides: the folder at
/// the end, since it is held open and the kernel then keeps its removal back; a symlink; and the first component that is missing. So
/// nothing is heard of a busy folder such as a home that the path merely passes through.
package struct PathTrail: Sendable {
    /// A folder on the way.
    package struct Step: Hashable, Sendable {
        package let folder: String
        /// Entries that could lead the path elsewhere; none where only the folder itself matters.
        package let names: Set<[UInt8]>
    }

    package private(set) var steps: [Step] = []

    package init(to path: FollowedPath) {
        guard path.folder.utf8.first == UInt8(ascii: "/") else { return }
        var rest = Self.components(path.folder)
        var place = "/"
        var links = 0
        while let component = rest.popLast() {
            guard steps.count < Limits.Watch.trailStepsMax else { return }
            if component == ".." {
                place = Self.parent(of: place)
                continue
            }
            let next = place == "/" ? "/" + component : place + "/" + component
            switch Self.look(at: next) {
            case .folder:
                add(place, rest.isEmpty ? [component] : [])
                place = next
            case .symlink(let target):
                add(place, [component])
                links += 1
                guard links <= Limits.Watch.trailLinksMax else { return }
                rest += Self.components(target)
                if target.utf8.first == UInt8(ascii: "/") { place = "/" }
            case .nothing:
                add(place, [component])
                return
            }
        }
        if !path.names.isEmpty { add(place, path.names) }
    }

    private mutating func add(_ folder: String, _ names: [String]) {
        // Nobody moves the root, and events for all of its entries would be in vain.
        if folder == "/", names.isEmpty { return }
        steps.append(Step(folder: folder, names: Set(names.map { Array($0.utf8) })))
    }

    /// The components of a path, the last one first.
    private static func components(_ path: String) -> [String] {
        path.split(separator: "/").map(String.init).filter { $0 != "." }.reversed()
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private enum Lying {
        case folder
        case symlink(String)
        case nothing
    }

    private static func look(at path: String) -> Lying {
        var raw = stat()
        guard unsafe lstat(path, &raw) == 0 else { return .nothing }
        switch raw.st_mode & S_IFMT {
        case S_IFDIR: return .folder
        case S_IFLNK:
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let length = unsafe readlink(path, &target, target.count - 1)
            guard length > 0 else { return .nothing }
            return .symlink(String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        default: return .nothing
        }
    }
}
