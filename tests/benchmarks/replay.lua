-- For wrk: sends the requests of a file in turn, each behind a line with its length; with `once`, each of them once.
local requests, at, once = {}, 0, false

function init(args)
  local file = assert(io.open(args[1], "rb"))
  once = args[2] == "once"
  local length = file:read("*n")
  while length do
    file:read(1)
    requests[#requests + 1] = file:read(length)
    length = file:read("*n")
  end
  file:close()
end

function request()
  at = at + 1
  if at > #requests then
    at = 1
    if once then wrk.thread:stop() end
  end
  return requests[at]
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '{"calls":%d,"errors":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f}\n',
    summary.requests,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
