-- Asks Sealgate whether a request may pass: http-request lua.sealgate SCOPE LIMIT, where - means no limit.
local url = "http://127.0.0.1:5000/verify"

local function encoded(text)
    return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function sealgate(txn, scope, limit)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-original-method"] = { txn.f:method() },
        ["x-original-uri"] = { txn.f:url() },
        ["x-forwarded-for"] = { txn.f:src() },
    }
    for _, name in ipairs({ "authorization", "traceparent" }) do
        if sent[name] then
            headers[name] = {}
            for _, value in pairs(sent[name]) do table.insert(headers[name], value) end
        end
    end
    local query = "?scope=" .. encoded(scope)
    if limit ~= "-" then query = query .. "&limit=" .. encoded(limit) end
    local answer = core.httpclient():get{ url = url .. query, headers = headers, timeout = 5000 }
    if answer.status == 204 then
        for _, name in ipairs({ "x-auth-user", "x-auth-scope", "x-auth-expires" }) do
            local values = answer.headers[name]
            if values then txn.http:req_set_header(name, values[0]) end
        end
        return
    end
    local reply = txn:reply()
    local refused = answer.status == 401 or answer.status == 403 or answer.status == 429
    reply:set_status(refused and answer.status or 503)
    for _, name in ipairs({ "www-authenticate", "retry-after", "content-type" }) do
        local values = refused and answer.headers[name]
        if values then reply:add_header(name, values[0]) end
    end
    reply:set_body(refused and answer.body or "")
    txn:done(reply)
end

core.register_action("sealgate", { "http-req" }, sealgate, 2)
