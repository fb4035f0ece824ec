-- POST track-send: event messages with every field, each a new one; a thousand to an event.
-- Arguments: the number of the run, how many requests to make ready (then they come again).

local common = dofile('bench/wrk/common.lua')
local requests, next_request = {}, 0
local EVENT_SIZE = 1000
local BODY = '{"wa_id":"%s","event_id":"%s","event_registration_id":"%s","template_wamid":"%s",'
  .. '"template_name":"rsvp_invite_v2","flow_type":"rsvp","message_type":"rsvp",'
  .. '"guest_id":"%s","guest_name":"Guest %06d"}'

function init(args)
  common.seed(tonumber(args[1]))
  local event
  for n = 1, tonumber(args[2]) do
    if n % EVENT_SIZE == 1 then
      event = common.uuid()
    end
    local phone = common.phone(n)
    local wamid = common.wamid(phone)
    local body = BODY:format(phone, event, common.uuid(), wamid, common.uuid(), n)
    requests[n] = common.request('/api/webhooks/track-send/', body)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

done = common.done
