-- Claims an empty store for this layout, gives a store its id, or says which it has.
--
-- KEYS[1]  the tag of partition 0. Reads and writes behind it  :schema
-- ARGV[1]  JSON {"version": 1, "partitions": 1, "moving": 0, "id": "5f0c…"}: the layout for an
--          empty store, and the id for one that has none
-- Returns  the version, the number of partitions, the number that a move leads to (0: there is
--          none), as integers, and the id that the store has
-- Cost     O(1)

local wanted = cjson.decode(ARGV[1])
local key = tag .. ':schema'
local version, partitions, moving, id =
  unpack(call('HMGET', key, 'version', 'partitions', 'moving', 'id'))
if not id then
  id = wanted.id
  version, partitions = version or wanted.version, partitions or wanted.partitions
  call('HSET', key, 'version', digits(version), 'partitions', digits(partitions), 'id', id)
end
return {tonumber(version), tonumber(partitions), tonumber(moving or 0), id}
