-- Replaces records by hashes, enters their messages into all indexes, counts them where the earlier
-- version didn't, and keeps the scripts of earlier versions from writing meanwhile. Repeating it
-- changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :participants:<id>  :by:<dimension>[:<value>]  :values:<dimension>
--            :count:<dimension>[:<value>]  :times:<dimension>[:<value>]
--            :waits:<dimension>[:<value>]  :upgrading  :schema
-- ARGV[1]  JSON {"door": "shut", "schema": ["version", "3", …], "from": "2", "messages": [[id,
--          held, [field, value, …], left, [field, value, …]], …], "counts": [dimension, …]}. door:
--          "shut" puts a text where the counters of all messages are: every merge, erasure and
--          mending recount reads them before its first write, so they fail without a trace; "open"
--          puts the counters back; "" does neither. from: the version that the store is brought
--          from, "" for none, set with the fields of schema in one step; without fields it is left
--          as it is. messages: up to 16, with the text that the record is as long as nobody else
--          has changed it, the fields to put in its place, and the value of the recipient's index
--          that it leaves for those of its fields, '' for none, and the fields of its participants.
--          counts: dimensions whose counters the earlier version didn't have; a message is counted
--          there when it is replaced, in the same step, so it is counted once however often this is
--          run.
-- Returns  how many records were replaced.
-- Cost     O(log N) a message and index; about 60 µs a message.

local asked = cjson.decode(ARGV[1])
local counts_of_all, kept = tag .. ':count:all', tag .. ':upgrading'

local function type_of(key)
  local kind = call('TYPE', key)
  return kind.ok or kind
end

if asked.door == 'shut' and type_of(counts_of_all) ~= 'string' then
  if call('EXISTS', counts_of_all) == 1 then
    call('RENAME', counts_of_all, kept)
  end
  call('SET', counts_of_all, 'python -m service upgrade is under way: nothing else writes.')
elseif asked.door == 'open' and type_of(counts_of_all) == 'string' then
  if call('EXISTS', kept) == 1 then
    call('RENAME', kept, counts_of_all)
  else
    call('DEL', counts_of_all)
  end
end

if #asked.schema > 0 then
  call('HSET', tag .. ':schema', unpack(asked.schema))
  if asked.from == '' then
    call('HDEL', tag .. ':schema', 'upgrading')
  else
    call('HSET', tag .. ':schema', 'upgrading', asked.from)
  end
end

local is_new = {}
for _, name in ipairs(asked.counts) do
  is_new[name] = true
end
for place = #COUNTED, 1, -1 do
  if not is_new[COUNTED[place].name] then
    table.remove(COUNTED, place)
  end
end

local going = {}
for _, message in ipairs(asked.messages) do
  local id, held, fields, left, members = unpack(message)
  local key, record = tag .. ':msg:' .. id, {}
  if type_of(key) == 'string' and call('GET', key) == held then
    for i = 1, #fields, 2 do
      record[fields[i]] = fields[i + 1]
    end
    recount(nil, record)
    going[#going + 1] = {id = id, key = key, record = record, fields = fields, left = left,
      members = members}
  end
end
local counters = read_counters()

-- The writes begin here, in the same order as in merge.lua.
for _, each in ipairs(going) do
  if each.left ~= '' then
    call('ZREM', key_of('by', 'recipient', each.left), each.id)
  end
  move(each.id, nil, each.record)
end
write_values()
write_counters(counters)
for _, each in ipairs(going) do
  local left_ms, beside = call('PTTL', each.key), tag .. ':participants:' .. each.id
  if #each.members > 0 then
    call('HSET', beside, unpack(each.members))
  end
  call('DEL', each.key)
  call('HSET', each.key, unpack(each.fields))
  if left_ms > 0 then
    call('PEXPIRE', each.key, digits(left_ms))
    call('PEXPIRE', beside, digits(left_ms))
  end
end
return #going
