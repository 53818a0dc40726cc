internal import AvatarCore
internal import Glibc
internal import PosixFiles

/// What of this machine keeps an agent from its work: folders, space, the socket, inotify.
enum MachineFindings {
    // MARK: Folders

    /// Each folder: whether this user can use it, nobody else can write there, and there is room.
    ///
    /// - Parameter cached: bytes that the cache holds by now, where the agent says.
    static func folders(_ places: AgentPlaces, cached: Int?) -> [Finding] {
        let named: [(word: String, path: String?)] = [
            ("state", places.state), ("cache", places.cache), ("upload", places.upload),
        ]
        return named.flatMap { word, path -> [Finding] in
            guard let path else { return [] }
            let what = "the \(word) folder can be used"
            let growth = word == "cache" ? places.cacheBytesMax.map { max(0, $0 - Int64(cached ?? 0)) } : nil
            do throws(PosixError) {
                let folder = try Folder.open(path: path, making: .nothing)
                return [folderFinding(what, path, permissions: try folder.facts().permissions)]
                    + [
                        space(word, free: try folder.freeBytes(), growth: growth),
                        cookie(word, path, DiskCookie.write(into: path)),
                    ]
            } catch {
                if error.isMissing {
                    return [Finding(what: what, detail: "\(path) is not there yet; the agent makes it")]
                }
                return [Finding(what: what, problem: error.description, remedy: "ls -ld \(path)")]
            }
        }
    }

    /// - Parameter permissions: the folder's mode.
    static func folderFinding(_ what: String, _ path: String, permissions: UInt32) -> Finding {
        var finding = Finding(what: what, detail: path)
        if permissions & 0o022 != 0 {
            finding.level = .warning
            finding.problem = "others may write to \(path), mode \(String(permissions & 0o777, radix: 8))"
            finding.remedy = "chmod go-w \(path)"
        }
        if access(path, R_OK | W_OK | X_OK) != 0 {
            finding.level = .bad
            finding.problem = PosixError.last("access", path: path).description
            finding.remedy = "chmod u+rwx \(path)"
        }
        return finding
    }

    /// - Parameters:
    ///   - free: bytes that this user may still write.
    ///   - growth: bytes that the cache may still grow by; nil for what has no bound.
    static func space(_ word: String, free: Int64, growth: Int64?) -> Finding {
        var finding = Finding(
            what: "there is room for the \(word) folder", detail: "\(ByteCount(Int(free))) free")
        if free < Limits.Doctor.freeBytesBad {
            finding.problem = "\(ByteCount(Int(free))) are free"
            finding.remedy = "df -h, and remove what is not needed"
        } else if let growth, growth > free {
            finding.level = .warning
            finding.problem = "\(ByteCount(Int(free))) are free, and the cache may grow by \(ByteCount(Int(growth)))"
            finding.remedy = "lower cache.bytesMax"
        } else if free < Limits.Doctor.freeBytesLow {
            finding.level = .warning
            finding.problem = "\(ByteCount(Int(free))) are free"
            finding.remedy = "df -h, and remove what is not needed"
        }
        return finding
    }

    /// How a file went that was written as the agent writes pictures.
    static func cookie(_ word: String, _ path: String, _ outcome: DiskCookie.Outcome) -> Finding {
        var finding = Finding(what: "the \(word) folder takes files")
        switch outcome {
        case .took(let time):
            finding.detail = "written, synced, renamed and removed in \(milliseconds(time))"
            guard time > Limits.Doctor.cookieSlow else { break }
            finding.level = .warning
            finding.problem = "its disk is slow: a small file took \(milliseconds(time))"
            finding.remedy = "see what else uses that disk: iotop, or cat /proc/pressure/io"
        case .failed(let error):
            finding.problem = "a small file could not be written there: \(error)"
            finding.remedy = "df -h and df -i, and look whether the file system is read-only: findmnt --target \(path)"
        case .hangs(let patience):
            finding.problem = "its disk has not answered for \(patience.components.seconds) s"
            finding.remedy = "look at the file system: findmnt --target \(path); journalctl --dmesg"
        }
        return finding
    }

    private static func milliseconds(_ time: Duration) -> String { "\(Int((time / .milliseconds(1)).rounded(.up))) ms" }

    // MARK: The socket

    /// The bus's socket, where there is one: that it is none is said by the agent's not answering.
    static func socket(_ path: String) -> [Finding] {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return [] }
        var finding = Finding(what: "the agent's socket is this user's alone", detail: path)
        if facts.st_mode & S_IFMT != S_IFSOCK {
            finding.problem = "what lies at \(path) is no socket"
            finding.remedy = "mv \(path) \(path).old; systemctl --user restart avatard"
        } else if facts.st_uid != geteuid() || facts.st_mode & 0o077 != 0 {
            let mode = String(facts.st_mode & 0o777, radix: 8)
            finding.level = .warning
            finding.problem = "\(path) has the mode \(mode) and belongs to user \(facts.st_uid)"
            finding.remedy = "chmod 600 \(path)"
        }
        return [finding]
    }

    // MARK: inotify

    /// How many of this user's inotify instances are in use.
    static func inotifyUse() -> Finding {
        inotifyUse(instances: instancesInUse(), limit: Doctor.current(.instances), watches: Doctor.current(.watches))
    }

    /// - Parameters:
    ///   - instances: in use by processes that can be looked at.
    ///   - limit: what the kernel allows one user, `max_user_instances`; nil where it does not tell.
    ///   - watches: the same for `max_user_watches`.
    static func inotifyUse(instances: Int, limit: Int?, watches: Int?) -> Finding {
        var finding = Finding(
            what: "inotify's limits are not near",
            detail: "\(instances) of \(limit.map(String.init) ?? "?") instances in use, at most "
                + "\(watches.map(String.init) ?? "?") watches")
        if let limit, instances * 10 >= limit * 9 {
            finding.level = .warning
            finding.problem = "\(instances) of \(limit) instances are in use"
            finding.remedy = InotifyLimit.instances.remedy(current: limit)
        }
        return finding
    }

    /// Descriptors of this user's processes that are inotify instances (proc(5)).
    private static func instancesInUse() -> Int {
        names(in: "/proc").filter { $0.allSatisfy(\.isNumber) }.reduce(0) { count, process in
            let folder = "/proc/\(process)/fd"
            var facts = stat()
            guard stat("/proc/\(process)", &facts) == 0, facts.st_uid == geteuid() else { return count }
            return count + names(in: folder).count { target(of: folder + "/" + $0) == "anon_inode:inotify" }
        }
    }

    private static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func target(of link: String) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink(link, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
