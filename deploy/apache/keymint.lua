-- Asks Keymint about a request (LuaHookAccessChecker). An error in here is a 500: nothing is let through.
--
-- LuaSocket's own HTTP client closes its connection after each answer. What is needed of HTTP is little, because Keymint's
-- answers always say how long they are: so the connection is kept, and anything unexpected closes it and refuses.

local socket = require("socket")

local CONNECT_SECONDS = 1
local ANSWER_SECONDS = 2
local BODY_BYTES_MAX = 65536
local LINES_MAX = 64

local identity = { "x-keymint-merchant", "x-keymint-app", "x-keymint-key", "x-keymint-mode", "x-keymint-scopes" }
local answered = { "cache-control", "ratelimit", "ratelimit-policy", "retry-after", "www-authenticate" }
-- Of the client's connection, or of the length of its body.
local unsent = {
  ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
  ["upgrade"] = true, ["expect"] = true, ["content-length"] = true, ["proxy-connection"] = true,
}
local of_connection = { [""] = true, ["close"] = true, ["keep-alive"] = true, ["te"] = true, ["upgrade"] = true }

-- Of this thread.
local kept = nil

-- Whether a field says who the client is, in a spelling that some reader takes for one of ours.
local function is_forged(name)
  local plain = name:lower()
  return plain:find("[^a-z0-9-]") ~= nil
    or plain:find("^x%-keymint%-") ~= nil
    or plain:find("^x%-forwarded%-") ~= nil
    or plain:find("^x%-original%-") ~= nil
    or plain:find("^x%-rewrite%-") ~= nil
    or plain == "forwarded" or plain == "proxy" or plain == "x-real-ip"
end

local function names_others(connection)
  for option in ((connection or "") .. ","):gmatch("%s*([^,]-)%s*,") do
    if not of_connection[option:lower()] then
      return true
    end
  end
  return false
end

local function question(r, fields)
  local known = ""
  local length = r.headers_in["Content-Length"]
  if r.protocol:find("^HTTP/1") and not r.headers_in["Transfer-Encoding"] and (not length or length == "0") then
    known = "X-Keymint-Body: none\r\n"
  end
  local lines = { "GET /v1/forward-auth/" .. r.subprocess_env["KEYMINT_PRODUCT"] .. " HTTP/1.1" }
  for name, value in pairs(fields) do
    if not unsent[name:lower()] then
      table.insert(lines, name .. ": " .. value)
    end
  end
  table.insert(lines, "X-Forwarded-Method: " .. r.method)
  table.insert(lines, "X-Forwarded-Uri: " .. r.unparsed_uri)
  table.insert(lines, "X-Forwarded-Proto: " .. (r.is_https and "https" or "http"))
  table.insert(lines, "X-Keymint-Client-IP: " .. r.useragent_ip)
  return table.concat(lines, "\r\n") .. "\r\n" .. known .. "\r\n"
end

local function connect(address)
  local host, port = address:match("^(.*):(%d+)$")
  local fresh = socket.tcp()
  fresh:settimeout(CONNECT_SECONDS)
  local ok = fresh:connect(host, tonumber(port))
  if not ok then
    fresh:close()
    return nil
  end
  fresh:setoption("tcp-nodelay", true)
  return fresh
end

-- The answer, or nil and whether the connection had been closed before a byte of it came.
local function receive(connection)
  local line, trouble, part = connection:receive("*l")
  if trouble == "closed" and part == "" then
    return nil, true
  end
  local status = line and tonumber(line:match("^HTTP/1%.1 (%d%d%d)"))
  if not status then
    return nil
  end
  local fields = {}
  for _ = 1, LINES_MAX do
    line = connection:receive("*l")
    if line == "" then
      local length = tonumber(fields["content-length"] or "")
      if not length or length > BODY_BYTES_MAX then
        return nil
      end
      local body = length == 0 and "" or connection:receive(length)
      return body and { status = status, fields = fields, body = body }
    end
    local name, value = (line or ""):match("^([^:]+):%s*(.-)%s*$")
    if not name then
      return nil
    end
    fields[name:lower()] = value
  end
  return nil
end

-- On the kept connection first. Keymint may just have closed it, and then the question is asked once more on a new one: a
-- signature that was spent meanwhile is refused. One that is late is late.
local function ask(address, text)
  for _, is_kept in ipairs({ true, false }) do
    local connection = is_kept and kept or nil
    kept = nil
    if not is_kept then
      connection = connect(address)
    end
    if connection then
      connection:settimeout(ANSWER_SECONDS)
      connection:settimeout(ANSWER_SECONDS, "t")
      local answer, was_closed = nil, true
      if connection:send(text) then
        answer, was_closed = receive(connection)
      end
      if answer and answer.fields["connection"] ~= "close" then
        kept = connection
      else
        connection:close()
      end
      if answer or not was_closed then
        return answer
      end
    end
  end
  return nil
end

local function deny(r, answer)
  r.status = answer.status
  r.content_type = answer.fields["content-type"]
  for _, name in ipairs(answered) do
    if answer.fields[name] then
      r.headers_out[name] = answer.fields[name]
    end
  end
  r:write(answer.body)
  return apache2.DONE
end

function check(r)
  if names_others(r.headers_in["Connection"]) or r.unparsed_uri:sub(1, 1) ~= "/" or r.unparsed_uri:find("[%c ]") then
    return 400
  end
  local fields = {}
  for name, value in pairs(r:headers_in_table()) do
    if is_forged(name) then
      r.headers_in[name] = nil
    else
      fields[name] = value
    end
  end
  local answer = ask(r.subprocess_env["KEYMINT_ADDRESS"], question(r, fields))
  if not answer or (answer.status ~= 200 and (answer.status < 400 or not answer.fields["content-type"])) then
    return 503
  end
  if answer.status ~= 200 then
    return deny(r, answer)
  end
  if not (answer.fields["x-keymint-merchant"] or ""):find("^mer_") then
    return 503
  end
  for _, name in ipairs(identity) do
    if not answer.fields[name] then
      return 503
    end
    r.headers_in[name] = answer.fields[name]
  end
  return apache2.OK
end
