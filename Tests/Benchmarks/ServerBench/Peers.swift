import Foundation

/// A server that is no part of this project, and its usual client. `shares` has the pictures of each client: every one is a
/// process of its own, all at once.
protocol Peer {
    func upload(_ shares: [[Picture]]) throws
    func download(_ shares: [[Picture]]) throws
}

/// nginx with its own PUT, at its best: as the user that runs the benchmark, nothing logged, no syncs, a worker per core.
final class Nginx {
    static var isInstalled: Bool { areInstalled("nginx", "curl") }

    let port: Int
    let folder: String
    private let process: Child

    init(place: Workplace) throws {
        folder = try place.subfolder("nginx")
        _ = try place.subfolder("nginx/files")
        port = try freePort()
        let user = getuid() == 0 ? "user root;" : ""
        try Data(
            """
            \(user) daemon off; worker_processes auto; pid \(folder)/pid; error_log \(folder)/error.log;
            events { worker_connections 4096; }
            http {
                access_log off; client_body_temp_path \(folder)/tmp; client_max_body_size 64m; sendfile on;
                proxy_temp_path \(folder)/a; fastcgi_temp_path \(folder)/b;
                uwsgi_temp_path \(folder)/c; scgi_temp_path \(folder)/d;
                keepalive_requests 100000;
                server { listen 127.0.0.1:\(port); root \(folder)/files; dav_methods PUT; }
            }
            """.utf8
        ).write(to: URL(fileURLWithPath: folder + "/nginx.conf"))
        process = try Child("nginx", ["-e", folder + "/error.log", "-c", folder + "/nginx.conf"])
        try awaitListener(port)
    }

    func stop() { process.stop() }
}

/// curl against nginx: one request after the other over one connection, or `-Z`, up to fifty at once.
struct Curl: Peer {
    let nginx: Nginx
    let isParallel: Bool

    func upload(_ shares: [[Picture]]) throws {
        try run(shares) { "upload-file = \"\($0.path)\"\nurl = \"\(url($0))\"" }
    }

    func download(_ shares: [[Picture]]) throws {
        try run(shares) { "url = \"\(url($0))\"\noutput = \"\(nginx.folder)/down-\($0.name)\"" }
    }

    private func url(_ picture: Picture) -> String { "http://127.0.0.1:\(nginx.port)/\(picture.name)" }

    private func run(_ shares: [[Picture]], _ request: (Picture) -> String) throws {
        let commands = try shares.enumerated().map { index, share in
            let config = "\(nginx.folder)/curl-\(index).conf"
            let lines = ["silent", "fail", isParallel ? "parallel" : ""] + share.map(request)
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: config))
            return ["-K", config]
        }
        try runTogether("curl", commands)
    }
}

/// rsync's daemon, and one rsync for each client.
final class Rsync: Peer {
    static var isInstalled: Bool { areInstalled("rsync") }

    private let process: Child
    private let port: Int
    private let folder: String

    init(place: Workplace) throws {
        folder = try place.subfolder("rsync")
        _ = try place.subfolder("rsync/files")
        port = try freePort()
        let identity = getuid() == 0 ? "uid = root\ngid = root\n" : ""
        try Data("use chroot = no\n\(identity)[files]\npath = \(folder)/files\nread only = no\n".utf8)
            .write(to: URL(fileURLWithPath: folder + "/rsyncd.conf"))
        process = try Child(
            "rsync",
            ["--daemon", "--no-detach", "--address=127.0.0.1", "--port=\(port)", "--config=\(folder)/rsyncd.conf"])
        try awaitListener(port)
    }

    func upload(_ shares: [[Picture]]) throws {
        try runTogether("rsync", shares.map { ["-I"] + $0.map(\.path) + ["rsync://127.0.0.1:\(port)/files/"] })
    }

    func download(_ shares: [[Picture]]) throws {
        let commands = try shares.enumerated().map { index, share in
            let target = "\(folder)/down-\(index)"
            try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            return ["-I"] + share.map { "rsync://127.0.0.1:\(port)/files/\($0.name)" } + [target]
        }
        try runTogether("rsync", commands)
    }

    func stop() { process.stop() }
}
