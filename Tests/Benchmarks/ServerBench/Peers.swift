import Foundation

/// nginx with its own PUT, and curl one request after the other over one connection.
struct Nginx {
    static var isInstalled: Bool { (try? run("sh", ["-c", "command -v nginx && command -v curl"])) != nil }

    private let process = Process()
    private let port: Int
    private let folder: URL

    init(folder: URL) throws {
        self.folder = folder.appendingPathComponent("nginx")
        try FileManager.default.createDirectory(
            at: self.folder.appendingPathComponent("files"), withIntermediateDirectories: true)
        // It is the peer's best case: as the user that runs the benchmark, nothing logged, no syncs.
        port = try freePort()
        let user = getuid() == 0 ? "user root;" : ""
        try Data(
            """
            \(user) daemon off; worker_processes 1; pid \(self.folder.path)/pid; error_log \(self.folder.path)/error.log;
            events {}
            http {
                access_log off; client_body_temp_path \(self.folder.path)/tmp; client_max_body_size 64m;
                proxy_temp_path \(self.folder.path)/a; fastcgi_temp_path \(self.folder.path)/b;
                uwsgi_temp_path \(self.folder.path)/c; scgi_temp_path \(self.folder.path)/d;
                keepalive_requests 100000;
                server { listen 127.0.0.1:\(port); root \(self.folder.path)/files; dav_methods PUT; }
            }
            """.utf8
        ).write(to: self.folder.appendingPathComponent("nginx.conf"))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["nginx", "-c", self.folder.path + "/nginx.conf"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        try awaitListener(port)
    }

    func upload(_ files: [URL]) throws {
        try curl(
            files.map { "upload-file = \"\($0.path)\"\nurl = \"http://127.0.0.1:\(port)/\($0.lastPathComponent)\"" })
    }

    func download(_ files: [URL]) throws {
        try curl(
            files.map {
                "url = \"http://127.0.0.1:\(port)/\($0.lastPathComponent)\"\noutput = \"\(folder.path)/down-\($0.lastPathComponent)\""
            })
    }

    private func curl(_ requests: [String]) throws {
        let config = folder.appendingPathComponent("curl.conf")
        try Data(("silent\nfail\n" + requests.joined(separator: "\n") + "\n").utf8).write(to: config)
        try run("curl", ["-K", config.path, "-o", "/dev/null"])
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}

/// rsync's daemon, and one rsync for all files.
struct Rsync {
    private let process = Process()
    private let port: Int
    private let folder: URL

    /// Nil when it is not installed.
    init?(folder: URL) throws {
        guard (try? run("rsync", ["--version"])) != nil else { return nil }
        self.folder = folder.appendingPathComponent("rsync-\(UUID().uuidString.prefix(4))")
        try FileManager.default.createDirectory(
            at: self.folder.appendingPathComponent("files"), withIntermediateDirectories: true)
        port = try freePort()
        let identity = getuid() == 0 ? "uid = root\ngid = root\n" : ""
        try Data("use chroot = no\n\(identity)[files]\npath = \(self.folder.path)/files\nread only = no\n".utf8)
            .write(to: self.folder.appendingPathComponent("rsyncd.conf"))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "rsync", "--daemon", "--no-detach", "--address=127.0.0.1", "--port=\(port)",
            "--config=\(self.folder.path)/rsyncd.conf",
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        try awaitListener(port)
    }

    func upload(_ files: [URL]) throws {
        try run("rsync", ["-I"] + files.map(\.path) + ["rsync://127.0.0.1:\(port)/files/"])
    }

    func download(_ files: [URL]) throws {
        let target = folder.appendingPathComponent("down")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        try run("rsync", ["-I", "-r", "rsync://127.0.0.1:\(port)/files/", target.path])
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}
