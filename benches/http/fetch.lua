-- Logs in as one user after the other and writes the tokens to a file, one a line. The file has its name once there are
-- enough; wrk itself goes on until it is ended.

local into = os.getenv("FETCH_INTO")
local file = io.open(into .. ".new", "w")
local wanted = tonumber(os.getenv("FETCH_COUNT"))
local asked, got = 0, 0

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function request()
    asked = asked + 1
    return wrk.format(nil, nil, nil, '{"username":"bench-' .. asked .. '"}')
end

function response(status, headers, body)
    local token = body:match('"token": ?"([^"]+)"')
    if status ~= 200 or not token or got == wanted then return end
    got = got + 1
    file:write(token, "\n")
    if got == wanted then
        file:close()
        os.rename(into .. ".new", into)
    end
end
