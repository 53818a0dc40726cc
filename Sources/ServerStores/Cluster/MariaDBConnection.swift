internal import AvatarCore
internal import CMariaDB
internal import ServerRuntime
internal import TransferMachines

/// A value handed to a statement.
enum SQLValue: Sendable {
    case integer(Int64)
    case text(String)
}

/// One blocking connection to MariaDB or MySQL, with its prepared statements. The pool sees to it that one thread at a
/// time uses it.
@safe final class MariaDBConnection: @unchecked Sendable {
    private let handle: UnsafeMutablePointer<MYSQL>
    private var statements: [String: OpaqueStatement] = [:]

    @safe private struct OpaqueStatement {
        let pointer: UnsafeMutablePointer<MYSQL_STMT>
    }

    /// Starts the library once per process, before the first connection: mysql_init() does so too, and not safely in several threads.
    private static let libraryIsReady = mysql_server_init(0, nil, nil) == 0

    init(_ settings: ServerSettings.MySQL) throws(StoreError) {
        guard Self.libraryIsReady, let made = unsafe mysql_init(nil) else {
            throw StoreError(.unavailable, "MariaDB's library cannot be started")
        }
        var connectSeconds = UInt32(Limits.Cluster.connectSeconds)
        var answerSeconds = UInt32(Limits.Cluster.answerSeconds)
        unsafe mysql_options(made, MYSQL_OPT_CONNECT_TIMEOUT, &connectSeconds)
        unsafe mysql_options(made, MYSQL_OPT_READ_TIMEOUT, &answerSeconds)
        unsafe mysql_options(made, MYSQL_OPT_WRITE_TIMEOUT, &answerSeconds)
        unsafe mysql_options(made, MYSQL_SET_CHARSET_NAME, "utf8mb4")
        // With CLIENT_FOUND_ROWS a row whose icon is the new one already counts as updated; runTogether(_:) needs the other.
        let connected = unsafe mysql_real_connect(
            made, settings.socket == nil ? settings.host : nil, settings.user, settings.password, settings.schema,
            UInt32(settings.port), settings.socket, UInt(CLIENT_FOUND_ROWS) | UInt(CLIENT_MULTI_STATEMENTS))
        guard unsafe connected != nil else {
            let reason = unsafe ClusterWords.mariaDB(
                code: mysql_errno(made), message: String(cString: mysql_error(made)), settings)
            unsafe mysql_close(made)
            throw StoreError(
                .unavailable,
                "MariaDB at \(settings.socket ?? HostPort.text(host: settings.host, port: settings.port)): \(reason)")
        }
        unsafe handle = unsafe made
    }

    deinit {
        for statement in statements.values { unsafe mysql_stmt_close(statement.pointer) }
        unsafe mysql_close(handle)
    }

    /// Runs one statement. Returns its rows with every column as text, and how many rows it found or changed.
    func run(_ sql: String, _ values: [SQLValue] = []) throws(StoreError) -> (rows: [[String?]], affected: Int) {
        let statement = unsafe try prepare(sql).pointer
        unsafe try execute(statement, sql, values)
        defer { unsafe mysql_stmt_free_result(statement) }
        let columns = unsafe Int(mysql_stmt_field_count(statement))
        let affected = unsafe Int(clamping: mysql_stmt_affected_rows(statement))
        guard columns > 0 else { return ([], affected) }
        guard unsafe mysql_stmt_store_result(statement) == 0 else { throw unsafe fault(statement, sql) }
        return unsafe (try fetch(statement, sql, columns: columns), affected)
    }

    /// Whether the user may execute a statement. It is prepared and thrown away, which reads and changes nothing; a table that is not there is
    /// forbidden to nobody for that.
    func mayExecute(_ sql: String) throws(StoreError) -> Bool {
        guard let statement = unsafe mysql_stmt_init(handle) else {
            throw StoreError(.unavailable, "MariaDB: out of memory")
        }
        defer { unsafe mysql_stmt_close(statement) }
        if unsafe mysql_stmt_prepare(statement, sql, UInt(sql.utf8.count)) == 0 { return true }
        // ER_NO_SUCH_TABLE, ER_TABLEACCESS_DENIED_ERROR and ER_COLUMNACCESS_DENIED_ERROR.
        switch unsafe mysql_stmt_errno(statement) {
        case 1146: return true
        case 1142, 1143: return false
        default: throw unsafe fault(statement, sql)
        }
    }

    /// Runs statements one after the other in one round trip. Fails as soon as one fails; the caller drops the connection then, and the
    /// server rolls back what is not committed.
    ///
    /// - Returns: the rows of each statement that gives rows.
    func runTogether(_ statements: [(sql: String, values: [SQLValue])]) throws(StoreError) -> [[[String?]]] {
        let text = statements.map { Self.text($0.sql, $0.values) }.joined(separator: ";")
        guard unsafe mysql_real_query(handle, text, UInt(text.utf8.count)) == 0 else { throw fault(text) }
        var tables: [[[String?]]] = []
        while true {
            if let result = unsafe mysql_store_result(handle) {
                defer { unsafe mysql_free_result(result) }
                tables.append(unsafe Self.rows(result))
            } else if unsafe mysql_field_count(handle) > 0 {
                throw fault(text)
            }
            let next = unsafe mysql_next_result(handle)
            if next < 0 { return tables }
            guard next == 0 else { throw fault(text) }
        }
    }

    /// The statement with its values in it. Texts are written as hexadecimal bytes, so that nothing in them can end the literal.
    private static func text(_ sql: String, _ values: [SQLValue]) -> String {
        var text = ""
        var left = values[...]
        for character in sql {
            guard character == "?", let value = left.popFirst() else {
                text.append(character)
                continue
            }
            switch value {
            case .integer(let number): text += "\(number)"
            case .text(let word):
                text += "_utf8mb4 X'" + word.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'"
            }
        }
        return text
    }

    private static func rows(_ result: UnsafeMutablePointer<MYSQL_RES>) -> [[String?]] {
        let columns = unsafe Int(mysql_num_fields(result))
        var rows: [[String?]] = []
        while let row = unsafe mysql_fetch_row(result), let lengths = unsafe mysql_fetch_lengths(result) {
            var texts: [String?] = []
            for column in 0..<columns {
                guard let start = unsafe row[column] else {
                    texts.append(nil)
                    continue
                }
                let bytes = unsafe UnsafeRawBufferPointer(start: start, count: Int(clamping: lengths[column]))
                texts.append(unsafe String(decoding: bytes, as: UTF8.self))
            }
            rows.append(texts)
        }
        return rows
    }

    private func fault(_ sql: String) -> StoreError {
        StoreError(.unavailable, "MariaDB: \(unsafe String(cString: mysql_error(handle))) in \(sql)")
    }

    private func prepare(_ sql: String) throws(StoreError) -> OpaqueStatement {
        if let statement = statements[sql] { return statement }
        guard let made = unsafe mysql_stmt_init(handle) else {
            throw StoreError(.unavailable, "MariaDB: out of memory")
        }
        guard unsafe mysql_stmt_prepare(made, sql, UInt(sql.utf8.count)) == 0 else {
            let error = unsafe fault(made, sql)
            unsafe mysql_stmt_close(made)
            throw error
        }
        let statement = unsafe OpaqueStatement(pointer: made)
        statements[sql] = statement
        return statement
    }

    /// Executes a statement. Each parameter lies in an allocation of its own as long as the statement runs.
    private func execute(
        _ statement: UnsafeMutablePointer<MYSQL_STMT>, _ sql: String, _ values: [SQLValue]
    ) throws(StoreError) {
        let buffers = unsafe values.map { value -> UnsafeMutableRawBufferPointer in
            switch value {
            case .integer(let number):
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
                unsafe buffer.storeBytes(of: number, as: Int64.self)
                return unsafe buffer
            case .text(let text):
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, text.utf8.count), alignment: 1)
                unsafe buffer.copyBytes(from: text.utf8)
                return unsafe buffer
            }
        }
        defer { for index in unsafe buffers.indices { unsafe buffers[index].deallocate() } }
        var binds = unsafe zip(values, buffers).map { value, buffer in
            var bind = unsafe MYSQL_BIND()
            unsafe bind.buffer = buffer.baseAddress
            switch value {
            case .integer: unsafe bind.buffer_type = MYSQL_TYPE_LONGLONG
            case .text(let text):
                unsafe bind.buffer_type = MYSQL_TYPE_STRING
                unsafe bind.buffer_length = UInt(text.utf8.count)
            }
            return unsafe bind
        }
        guard unsafe values.isEmpty || mysql_stmt_bind_param(statement, &binds) == 0,
            unsafe mysql_stmt_execute(statement) == 0
        else { throw unsafe fault(statement, sql) }
    }

    /// Fetches the rows. It binds no buffers, so that each fetch tells the lengths, and then reads each column into a buffer that fits.
    private func fetch(
        _ statement: UnsafeMutablePointer<MYSQL_STMT>, _ sql: String, columns: Int
    ) throws(StoreError) -> [[String?]] {
        let lengths = UnsafeMutablePointer<UInt>.allocate(capacity: columns)
        let nulls = UnsafeMutablePointer<my_bool>.allocate(capacity: columns)
        unsafe lengths.initialize(repeating: 0, count: columns)
        unsafe nulls.initialize(repeating: 0, count: columns)
        defer {
            unsafe lengths.deallocate()
            unsafe nulls.deallocate()
        }
        var binds = unsafe (0..<columns).map { column in
            var bind = unsafe MYSQL_BIND()
            unsafe bind.buffer_type = MYSQL_TYPE_STRING
            unsafe bind.length = unsafe lengths + column
            unsafe bind.is_null = unsafe nulls + column
            return unsafe bind
        }
        guard unsafe mysql_stmt_bind_result(statement, &binds) == 0 else { throw unsafe fault(statement, sql) }
        var rows: [[String?]] = []
        while true {
            let state = unsafe mysql_stmt_fetch(statement)
            if state == MYSQL_NO_DATA { return rows }
            guard state == 0 || state == MYSQL_DATA_TRUNCATED else { throw unsafe fault(statement, sql) }
            var row: [String?] = []
            for column in 0..<columns {
                let isNull = unsafe nulls[column] != 0
                let length = unsafe Int(clamping: lengths[column])
                row.append(unsafe isNull ? nil : try text(statement, sql, column, length: length))
            }
            rows.append(row)
        }
    }

    private func text(
        _ statement: UnsafeMutablePointer<MYSQL_STMT>, _ sql: String, _ column: Int, length: Int
    ) throws(StoreError) -> String {
        guard length > 0 else { return "" }
        guard length <= Limits.Cluster.columnBytesMax else {
            throw StoreError(.forbidden, "MariaDB: a column of \(length) bytes in \(sql)")
        }
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
        defer { unsafe room.deallocate() }
        var bind = unsafe MYSQL_BIND()
        unsafe bind.buffer_type = MYSQL_TYPE_STRING
        unsafe bind.buffer = room.baseAddress
        unsafe bind.buffer_length = UInt(length)
        guard unsafe mysql_stmt_fetch_column(statement, &bind, UInt32(column), 0) == 0 else {
            throw unsafe fault(statement, sql)
        }
        return unsafe String(decoding: room, as: UTF8.self)
    }

    private func fault(_ statement: UnsafeMutablePointer<MYSQL_STMT>, _ sql: String) -> StoreError {
        let reason = unsafe String(cString: mysql_stmt_error(statement))
        return StoreError(.unavailable, "MariaDB: \(reason) in \(sql)")
    }
}
