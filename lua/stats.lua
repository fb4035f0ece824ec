-- What the counters of some messages say, all at one instant.
--
-- KEYS[1]  the partition's tag. Reads behind it  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]
-- ARGV[1]  JSON {"dimension": "event", "value": "", "waits": [field, …]}: of the waits a few
--          hundred fields are asked for; counters.py says what the fields mean.
-- Returns  a list of fields and numbers in turn, of count; the text of times; and a list as the
--          first, of those of the waits asked for that there are.
-- Cost     O(fields), whatever the number of messages: about 100 µs where there are most.

local HASHED = 500

local asked = cjson.decode(ARGV[1])

-- All fields of a small hash, in which each is looked for from the first on; of others those asked.
local function waits()
  local key = key_of('waits', asked.dimension, asked.value)
  if call('HLEN', key) <= HASHED then
    return call('HGETALL', key)
  end
  local found = {}
  for i, number in ipairs(call('HMGET', key, unpack(asked.waits))) do
    if number then
      found[#found + 1] = asked.waits[i]
      found[#found + 1] = number
    end
  end
  return found
end

return {
  call('HGETALL', key_of('count', asked.dimension, asked.value)),
  call('GET', key_of('times', asked.dimension, asked.value)) or '',
  waits(),
}
