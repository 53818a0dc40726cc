-- For wrk: uploads pictures as the users 1 to USERS in turn, never the same one twice in a row for a user. LOGINS has a line for each user,
-- PICTURES is a folder with the files 0 to 63.
local users, logins, pictures, user, number, step = tonumber(os.getenv("USERS")), {}, {}, 0, 0, 1
local threads = 0

function setup(thread)
    thread:set("first", threads)
    threads = threads + 1
end

function init()
    for line in io.lines(os.getenv("LOGINS")) do logins[#logins + 1] = line end
    for index = 0, 63 do
        local file = io.open(os.getenv("PICTURES") .. "/" .. index, "rb")
        pictures[index] = file:read("*a")
        file:close()
    end
    user = first * math.floor(users / 2)
end

function request()
    user, number = user % users + 1, number + 1
    return wrk.format("PUT", "/v1/users/" .. user .. "/avatars/face.png", {Authorization = logins[user]}, pictures[number % 61])
end

function done(summary, latency)
    local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
    print(string.format("%d %d %f %d %f", summary.requests, summary.bytes, summary.duration / 1e6, bad, latency:percentile(99) / 1e3))
end
