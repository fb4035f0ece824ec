-- Reads the counters of a dimension's value, all of one instant.
--
-- KEYS[1]  the partition's tag. Reads behind it  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]
-- ARGV[1]  JSON {"dimension": "event", "value": "", "waits": [field, …]}. waits: the fields of
--          waits to read, a few hundred. statistics.py says what the fields mean.
-- Returns  the fields of count and their numbers in turn; the text of times, '' for none; and the
--          fields of waits and their numbers in turn: at least those of the wanted fields that are
--          there.
-- Cost     O(fields), whatever the number of messages: about 100 µs for the largest counters.

local SMALL_HASH = 500

local asked = cjson.decode(ARGV[1])

local function waits()
  local key = key_of('waits', asked.dimension, asked.value)
  -- A small hash may be a listpack, in which HMGET searches for each field from the first one on.
  -- So all of it is read at once.
  if call('HLEN', key) <= SMALL_HASH then
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
