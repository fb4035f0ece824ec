-- POST message-status: every message is reported as sent, delivered and read, in this order, but
-- among a thousand others, as webhooks come. Every report is news: none comes twice.
-- Arguments: the number of the run, how many requests to make ready (then they come again).

local common = dofile('bench/wrk/common.lua')
local requests, next_request = {}, 0
local BLOCK = 1000
local STATUSES = { 'sent', 'delivered', 'read' }
local BODY = '{"wamid":"%s","recipient_id":"%s","status":"%s","timestamp":"%s"}'

function init(args)
  common.seed(tonumber(args[1]))
  local count, now = tonumber(args[2]), os.time()
  while #requests < count do
    local block = {}
    for i = 1, BLOCK do
      local phone = common.phone(#requests + i)
      block[i] = { common.wamid(phone), phone, now - math.random(100, 86400) }
    end
    for step, status in ipairs(STATUSES) do
      for _, message in ipairs(block) do
        -- As toISOString writes whole seconds, which is what the forwarder of the guide sends.
        local time = os.date('!%Y-%m-%dT%H:%M:%S.000Z', message[3] + 30 * step)
        local body = BODY:format(message[1], message[2], status, time)
        requests[#requests + 1] = common.request('/api/webhooks/message-status/', body)
      end
    end
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

done = common.done
