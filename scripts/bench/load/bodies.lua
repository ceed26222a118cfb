-- For wrk: every request posts a video.ready event of its own.
-- Arguments: the file of the body's template (a NUL byte where an id goes), a number for this run, and "spread" or nothing.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local template = file:read("*a")
  file:close()
  run = tonumber(args[2]) * 16 + number
  sent = 0
  parts = {}
  -- LuaJIT follows Lua 5.1: %z is the NUL byte.
  for part in (template .. "\0"):gmatch("([^%z]*)%z") do parts[#parts + 1] = part end
  local length = #template + (#parts - 1) * 23
  head = string.format(
    "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    wrk.path, wrk.host, wrk.port, length)
  math.randomseed(run)
  begun = os.time()
  spread = args[3] == "spread"
end

-- 24 hex digits: the time, something of this run, and a counter; or, spread, a random number in front, so that an index
-- by id gets new ids all over the place and never in order.
function request()
  sent = sent + 1
  local first = spread and math.random(0, 2147483647) or begun
  return head .. table.concat(parts, string.format("%08x%08x%08x", first, run, sent))
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"max":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    e.status, e.connect + e.read + e.write + e.timeout))
end
