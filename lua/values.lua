-- Lists the values of a dimension that have messages, with their counts. The value with the latest
-- message comes first.
--
-- KEYS[1]  the partition's tag. Reads behind it  :values:<dimension>
--            :count:<dimension>[:<value>]
-- ARGV[1]  JSON {"dimension": "event", "statuses": [status, …], "values": [value, …], "limit": 50,
--          "after_us": "", "after_value": ""}. values: the values to look up. If it is empty: up to
--          limit values behind the position after_us (µs as text) and after_value, '' at the first.
-- Returns  for each value that has messages here, as texts: the value, the created_us of its latest
--          message, and how many messages have each of the statuses.
-- Cost     O(log N + limit); about 2 µs a value.

local asked = cjson.decode(ARGV[1])
local index = key_of('values', asked.dimension, '')

-- Returns the values behind the position, each followed by its score.
local function page()
  local rank = start_rank(index, asked.after_us, asked.after_value)
  return call('ZREVRANGE', index, rank, rank + asked.limit - 1, 'WITHSCORES')
end

-- Returns those of the values that have messages, each followed by its score.
local function scores_of(values)
  local found = {}
  for _, value in ipairs(values) do
    local score = call('ZSCORE', index, value)
    if score then
      found[#found + 1], found[#found + 2] = value, score
    end
  end
  return found
end

local rows = #asked.values > 0 and scores_of(asked.values) or page()
local reply = {}
for i = 1, #rows, 2 do
  local value, latest_us = rows[i], rows[i + 1]
  reply[#reply + 1], reply[#reply + 2] = value, digits(tonumber(latest_us))
  local key = key_of('count', asked.dimension, value)
  for _, number in ipairs(call('HMGET', key, unpack(asked.statuses))) do
    reply[#reply + 1] = number or '0'
  end
end
return reply
