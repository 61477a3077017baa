-- One request, again and again, and the figures in one line that run.py reads. The request comes from the environment.

wrk.method = os.getenv("LOAD_METHOD")
wrk.body = os.getenv("LOAD_BODY")
local token = os.getenv("LOAD_TOKEN")
if token then wrk.headers["Authorization"] = "Bearer " .. token end
if wrk.body then wrk.headers["Content-Type"] = "application/json" end

-- No function `request` here: without one wrk sends the same bytes without asking Lua each time.

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.duration, summary.requests,
        latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
