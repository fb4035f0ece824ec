-- Claims an empty store for this layout, gives an id to a store that has none, and returns the
-- layout that the store has.
--
-- KEYS[1]  the tag of partition 0. Reads and writes behind it  :schema
-- ARGV[1]  JSON {"version": 1, "partitions": 1, "moving": 0, "id": "5f0c…"}: the layout for an
--          empty store, and the id for a store that has none.
-- Returns  what the store has: the version, the number of partitions and the number that a move
--          leads to (0: no move is under way), as integers; and the id.
-- Cost     O(1).

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
