internal import ServerRuntime

/// What MariaDB and Redis refuse, in words, with the key to look at.
enum ClusterWords {
    /// Why a connection was refused, from the library's code (MariaDB, "Error Codes") and its own words, which are kept for the others.
    static func mariaDB(code: UInt32, message: String, _ settings: ServerSettings.MySQL) -> String {
        switch code {
        case 1044: "the user \(settings.user) may not use the schema \(settings.schema): see mysql.schema"
        case 1045, 1698: "the user \(settings.user) or the password is refused: see mysql.user and mysql.password"
        case 1040, 1203: "it has too many connections already"
        case 1049: "it has no schema \(settings.schema): see mysql.schema"
        case 1130: "it does not take connections from this host"
        case 2002, 2003: "nobody answers there: see whether it runs, and mysql.host, mysql.port and mysql.socket"
        case 2005: "no such host: \(settings.host)"
        default: message
        }
    }

    /// Redis's refusal, which begins with a code (Redis, "RESP protocol").
    static func redis(_ refusal: String) -> String {
        switch refusal.prefix(while: { $0 != " " }) {
        case "NOAUTH": "it wants a password: see redis.password"
        case "WRONGPASS": "it refuses the password: see redis.password"
        case "LOADING": "it is still starting"
        case "MISCONF", "OOM", "READONLY": "it takes no writes now: \(refusal)"
        default: refusal
        }
    }
}
