-- Builds each request from a template and one record of fixed width, so that no two requests need be alike.
-- Arguments: the template's file, the records' file or `-`, the widths of a record's fields, the order, the threads, and
-- how many milliseconds a connection waits before each request.
-- Orders: `walk` (each thread its own records, over and over), `once` (the same, and stop at the end), `random`.

local threads_made = 0

function setup(thread)
   thread:set("number", threads_made)
   threads_made = threads_made + 1
end

local function read(path)
   local file = assert(io.open(path, "rb"))
   local text = file:read("*a")
   file:close()
   return text
end

function init(arguments)
   local template, path, widths, order, threads =
      read(arguments[1]), arguments[2], arguments[3], arguments[4], tonumber(arguments[5])
   local wait = tonumber(arguments[6] or "0")
   if wait > 0 then
      delay = function() return wait end
   end
   if path == "-" then
      request = function() return template end
      return
   end

   local offsets, lengths, width = {}, {}, 0
   for length in widths:gmatch("%d+") do
      offsets[#offsets + 1] = width
      lengths[#lengths + 1] = tonumber(length)
      width = width + tonumber(length)
   end
   local parts, slots, last = {}, {}, 1
   for start, field, stop in template:gmatch("()%%(%d)%%()") do
      parts[#parts + 1] = template:sub(last, start - 1)
      parts[#parts + 1] = ""
      slots[#slots + 1] = { #parts, tonumber(field) }
      last = stop
   end
   parts[#parts + 1] = template:sub(last)

   local records = read(path)
   local count = math.floor(#records / width)
   local at = number
   math.randomseed(number + 1)
   local sub, concat, random, floor = string.sub, table.concat, math.random, math.floor
   request = function()
      local record
      if order == "random" then
         record = floor(random() * count)
      else
         if at >= count then
            if order == "once" then wrk.thread:stop() end
            at = number
         end
         record = at
         at = at + threads
      end
      local start = record * width
      for index = 1, #slots do
         local slot = slots[index]
         local from = start + offsets[slot[2]]
         parts[slot[1]] = sub(records, from + 1, from + lengths[slot[2]])
      end
      return concat(parts)
   end
end

function done(summary, latency)
   local errors = summary.errors
   local broken = errors.connect + errors.read + errors.write + errors.timeout
   io.write(string.format("\nanswered %d %d %d %d\n", summary.requests, summary.duration, errors.status, broken))
end
