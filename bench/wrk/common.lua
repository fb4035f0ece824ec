-- What both loads share: message ids, UUIDs, and the report that wrk prints at the end.
-- All requests are made before the clock starts, so that wrk costs as little as it can.

local common = {}

local ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

-- Of a text whose length is a multiple of three. Groups come again and again, so they are kept.
local groups = setmetatable({}, {
  __index = function(known, three)
    local a, b, c = three:byte(1, 3)
    local bits, text = (a * 256 + b) * 256 + c, ''
    for place = 18, 0, -6 do
      local sextet = math.floor(bits / 2 ^ place) % 64 + 1
      text = text .. ALPHABET:sub(sextet, sextet)
    end
    known[three] = text
    return text
  end,
})

local function base64(text)
  local parts = {}
  for i = 1, #text, 3 do
    parts[#parts + 1] = groups[text:sub(i, i + 2)]
  end
  return table.concat(parts)
end

local function random(bits)
  return math.random(0, 2 ^ bits - 1)
end

-- A phone number of twelve digits, the n-th of this run.
function common.phone(n)
  return string.format('9198%08d', (common.offset + n) % 100000000)
end

-- A message id as Meta makes them: base64 of some bytes around the recipient and a random id.
function common.wamid(phone)
  local id = string.format('%08X%08X%02X', random(32), random(32), random(8))
  return 'wamid.' .. base64('\28\24\12' .. phone .. '\21\2\0\17\24\18' .. id)
end

function common.uuid()
  return string.format('%08x-%04x-4%03x-8%03x-%04x%08x', random(32), random(16), random(12),
    random(12), random(16), random(32))
end

function common.request(path, body)
  return wrk.format('POST', path, {
    ['Content-Type'] = 'application/json',
    ['X-Webhook-Token'] = 'bench',
  }, body)
end

-- Every run has other numbers and ids, whatever ran before it.
function common.seed(run)
  math.randomseed(os.time() + run * 1000003)
  common.offset = math.random(0, 99999999)
end

function common.done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "failed": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout
  ))
end

return common
