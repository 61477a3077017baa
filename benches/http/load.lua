-- One request, again and again, and the figures in one line that run.py reads. The request comes from the environment.

wrk.method = os.getenv("LOAD_METHOD")
wrk.body = os.getenv("LOAD_BODY")
local token = os.getenv("LOAD_TOKEN")
if token then wrk.headers["Authorization"] = "Bearer " .. token end
if wrk.body then wrk.headers["Content-Type"] = "application/json" end

if os.getenv("LOAD_CLOSE") then wrk.headers["Connection"] = "close" end

-- Without a function `request` wrk sends the same bytes without asking Lua each time. For many tokens the requests are
-- made beforehand, so that only a table is read.
local tokens = os.getenv("LOAD_TOKENS")
if tokens then
    local requests, next = {}, 0
    function init()
        for line in io.lines(tokens) do
            wrk.headers["Authorization"] = "Bearer " .. line
            requests[#requests + 1] = wrk.format()
        end
    end
    function request()
        next = next % #requests + 1
        return requests[next]
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.duration, summary.requests,
        latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
