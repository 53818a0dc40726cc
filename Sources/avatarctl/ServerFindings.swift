internal import AvatarCore
internal import Foundation
internal import LabelBus

/// What a server says of itself when the agent asks it about the login.
enum ServerFindings {
    /// Its version, its clock, and its certificate where it has one.
    static func findings(_ reply: VerifyReply, now: Date) -> [Finding] {
        [version(reply), clock(reply, now: now), certificate(reply, now: now)].compactMap { $0 }
    }

    private static func version(_ reply: VerifyReply) -> Finding {
        Finding(
            what: "the server's version",
            detail: reply.version ?? (reply.dialect == "classic" ? "the classic protocol tells none" : "it tells none"))
    }

    private static func clock(_ reply: VerifyReply, now: Date) -> Finding? {
        guard let theirs = reply.date.flatMap({ try? Date($0, strategy: .iso8601) }) else { return nil }
        let seconds = Int(now.timeIntervalSince(theirs))
        var finding = Finding(what: "this machine's clock is the server's", level: .warning)
        if Duration.seconds(abs(seconds)) > Limits.Doctor.clockSkew {
            finding.problem =
                "this machine is \(Age.text(seconds: abs(seconds))) \(seconds > 0 ? "ahead of" : "behind") the server"
            finding.remedy = "timedatectl status"
        }
        return finding
    }

    private static func certificate(_ reply: VerifyReply, now: Date) -> Finding? {
        guard let tls = reply.tls else { return nil }
        var finding = Finding(what: "the server's certificate is good for a while", level: .warning)
        guard let certificate = reply.certificate else {
            finding.detail = "\(tls); its key is the one of server.pin"
            return finding
        }
        guard let end = try? Date(certificate.until, strategy: .iso8601) else { return nil }
        let left = Int(end.timeIntervalSince(now))
        finding.detail = "\(tls), issued by \(certificate.issuer), \(Age.text(seconds: max(0, left))) left"
        if Duration.seconds(left) < Limits.Doctor.certificateLeft {
            finding.problem =
                "\(tls), issued by \(certificate.issuer), valid for \(Age.text(seconds: max(0, left))) more: until \(certificate.until)"
            finding.remedy = "have whoever runs the server renew it"
        }
        return finding
    }
}
