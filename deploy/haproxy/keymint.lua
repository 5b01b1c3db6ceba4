-- Asks Keymint about a request (`http-request lua.keymint`). Sets txn.keymint to "allow" and the identity, or ends the
-- request with Keymint's answer. Whatever goes wrong in here leaves the variable unset, and the next rule refuses.

local question = os.getenv("KEYMINT_QUESTION")
local url = "http://keymint/v1/forward-auth/" .. os.getenv("KEYMINT_PRODUCT")

local identity = { "x-keymint-merchant", "x-keymint-app", "x-keymint-key", "x-keymint-mode", "x-keymint-scopes" }
local answered = { "content-type", "cache-control", "ratelimit", "ratelimit-policy", "retry-after", "www-authenticate" }
-- Of the client's connection, or of the length of its body.
local unsent = {
  ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
  ["upgrade"] = true, ["expect"] = true, ["content-length"] = true,
}

-- The body and what is known of it: "whole", "none", or nothing. HTTP/2 bodies need no length, so nothing is known there.
local function body_of(txn, fields)
  local is_http1 = txn.f:req_ver() == "1.1" or txn.f:req_ver() == "1.0"
  if not is_http1 or fields["transfer-encoding"] then
    return nil, nil
  end
  local length = fields["content-length"]
  if not length or length[0] == "0" then
    return nil, "none"
  end
  local body = txn.f:req_body() or ""
  if #body ~= tonumber(length[0]) then
    return nil, nil
  end
  return body, "whole"
end

local function ask(txn)
  local fields = txn.http:req_get_headers()
  local body, known = body_of(txn, fields)
  local headers = {}
  for name, values in pairs(fields) do
    if not unsent[name] then
      headers[name] = {}
      for index = 0, #values do
        table.insert(headers[name], values[index])
      end
    end
  end
  headers["x-forwarded-method"] = { txn.f:method() }
  headers["x-forwarded-uri"] = { txn.f:url() }
  headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  headers["x-keymint-client-ip"] = { txn.f:src() }
  if known then
    headers["x-keymint-body"] = { known }
  end
  local request = { url = url, dst = question, headers = headers, timeout = 4000 }
  if body then
    request.body = body
    return core.httpclient():post(request)
  end
  return core.httpclient():get(request)
end

-- The first value of a field of Keymint's answer.
local function value(response, name)
  local values = response.headers and response.headers[name]
  return values and values[0]
end

local function allow(txn, response)
  for _, name in ipairs(identity) do
    if not value(response, name) then
      return
    end
  end
  if value(response, "x-keymint-merchant"):sub(1, 4) ~= "mer_" then
    return
  end
  for _, name in ipairs(identity) do
    txn.http:req_set_header(name, value(response, name))
  end
  txn:set_var("txn.keymint", "allow")
end

core.register_action("keymint", { "http-req" }, function(txn)
  local response = ask(txn)
  if response.status == 200 then
    return allow(txn, response)
  end
  -- Keymint's denial, or the 503 and 504 of the inner proxy when Keymint does not answer.
  if not response.status or response.status < 400 or not value(response, "content-type") then
    return
  end
  local reply = txn:reply({ status = response.status, body = response.body })
  for _, name in ipairs(answered) do
    if value(response, name) then
      reply:add_header(name, value(response, name))
    end
  end
  txn:done(reply)
end, 0)
