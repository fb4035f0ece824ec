-- Claims an empty store for this layout, or says which layout it has.
--
-- KEYS[1]  the tag of partition 0. Reads and writes behind it  :schema
-- ARGV[1]  JSON {"version": 1, "partitions": 1}
-- Returns  the version and the number of partitions that the store has, as integers.
-- Cost     O(1)

local wanted = cjson.decode(ARGV[1])
local key = tag .. ':schema'
if call('EXISTS', key) == 0 then
  call('HSET', key, 'version', digits(wanted.version), 'partitions', digits(wanted.partitions))
end
local found = call('HMGET', key, 'version', 'partitions')
return {tonumber(found[1]), tonumber(found[2])}
