-- For wrk: asks for the avatars of the users 1 to USERS in turn, with LOGINS (a line for each user) as Authorization where there are some.
local users, logins, user = tonumber(os.getenv("USERS")), {}, 0
local file = os.getenv("LOGINS")
if file then for line in io.lines(file) do logins[#logins + 1] = line end end

function request()
    user = user % users + 1
    return wrk.format("GET", "/v1/users/" .. user .. "/avatar", file and {Authorization = logins[user]} or nil)
end

function done(summary, latency)
    local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
    print(string.format("%d %d %f %d %f", summary.requests, summary.bytes, summary.duration / 1e6, bad, latency:percentile(99) / 1e3))
end
