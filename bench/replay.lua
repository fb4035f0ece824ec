-- Sends the requests of a file one after the other, again and again; prints figures at the end.
-- All requests are read before the clock starts, so that wrk itself costs as little as possible.
-- Arguments: a file of processes.save_requests; `count-refusals` to count answers with 503.

local requests, next_request = {}, 0
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  local file = assert(io.open(args[1], 'rb'))
  local length = file:read('*n')
  while length do
    file:read(1)
    requests[#requests + 1] = file:read(length)
    length = file:read('*n')
  end
  refused, ready_s = 0, os.clock()
  if args[2] == 'count-refusals' then -- only if asked for: this function costs wrk time
    response = count_refusal
  end
end

function count_refusal(status)
  if status == 503 then
    refused = refused + 1
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local errors, thread = summary.errors, threads[1]
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "cpu_us": %d,'
      .. ' "refused": %d, "over_399": %d, "connect": %d, "broken": %d, "late": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    (os.clock() - thread:get('ready_s')) * 1e6, thread:get('refused'), errors.status,
    errors.connect, errors.read + errors.write, errors.timeout
  ))
end
