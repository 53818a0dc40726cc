internal import AvatarCore
package import ServerRuntime

/// Redis and MariaDB, which all instances share, each with its pool of connections.
package final class Cluster: Sendable {
    private let redisPool: ConnectionPool<RedisConnection>
    private let mysqlPool: ConnectionPool<MariaDBConnection>
    private let redisSettings: ServerSettings.Redis

    /// Makes the pools and does not connect: a service that is down now may be up when it is needed.
    package init(redis: ServerSettings.Redis, mysql: ServerSettings.MySQL) {
        redisSettings = redis
        redisPool = ConnectionPool { () throws(StoreError) in try RedisConnection(redis) }
        mysqlPool = ConnectionPool { () throws(StoreError) in try MariaDBConnection(mysql) }
    }

    /// Makes one call to each service that changes nothing: nil when it answers, otherwise why it does not.
    package func health() -> (redis: String?, mysql: String?) {
        var problems: (redis: String?, mysql: String?) = (nil, nil)
        do throws(StoreError) {
            _ = try redis { (redis) throws(StoreError) in try redis.command(["PING"]) }
        } catch {
            problems.redis = error.cause
        }
        do throws(StoreError) {
            _ = try mysql { (mysql) throws(StoreError) in
                try mysql.run("SELECT uid, name, email, pwd, nick, `desc`, sex, icon FROM user LIMIT 0")
            }
        } catch {
            problems.mysql = error.cause
        }
        return problems
    }

    /// Whether each service could be reached when it was last needed. Makes no call.
    package var state: [(service: String, isUp: Bool)] {
        [("redis", redisPool.failure == nil), ("mysql", mysqlPool.failure == nil)]
    }

    /// A connection of its own that only hears what is published. Waits for Redis.
    func subscription(to channel: String) throws(StoreError) -> RedisConnection {
        let connection = try RedisConnection(redisSettings)
        try connection.subscribe(to: channel)
        return connection
    }

    func redis<Value>(_ body: (RedisConnection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        try redisPool.with(body)
    }

    func mysql<Value>(_ body: (MariaDBConnection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        try mysqlPool.with(body)
    }
}
