-- Brings a part of a partition to this schema version: it replaces packed records by hashes, enters
-- their messages into all indexes, and counts them where the earlier version didn't. It also stops
-- all other scripts from writing meanwhile. Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :participants:<id>  :by:<dimension>[:<value>]  :values:<dimension>
--            :count:<dimension>[:<value>]  :times:<dimension>[:<value>]
--            :waits:<dimension>[:<value>]  :upgrading  :schema
-- ARGV[1]  JSON {"door": "shut", "schema": ["version", "3", …], "from": "2", "messages": [[id,
--          packed, [field, value, …], old_value, [field, value, …]], …], "counts": [dimension, …]}.
--          door: "shut" puts a text where the counters of all messages are. Every merge, erasure
--          and mending recount reads these before its first write, so it fails and has changed
--          nothing. "open" puts the counters back; "" does neither.
--          schema: the fields of the layout to set; [] for none. from: the version that the store
--          is brought from, '' for none; it is set in one step with schema, and left as it is
--          without.
--          messages: up to 16. packed: the record's text; if it has changed, the message is left
--          as it is. Then the fields to put in its place; old_value: the value of the recipient's
--          index that the message leaves, '' for none; and the fields of its participants.
--          counts: dimensions whose counters the earlier version didn't have. A message is counted
--          in them in the step that replaces its record, so it is counted once, however often this
--          is run.
-- Returns  how many records it replaced.
-- Cost     O(log N) a message and index; about 60 µs a message.

local asked = cjson.decode(ARGV[1])
local counts_of_all, saved_counts = tag .. ':count:all', tag .. ':upgrading'

-- Returns the type of a key as text. (Redis answers with a table, fakeredis with the text.)
local function type_of(key)
  local kind = call('TYPE', key)
  return kind.ok or kind
end

if asked.door == 'shut' and type_of(counts_of_all) ~= 'string' then
  if call('EXISTS', counts_of_all) == 1 then
    call('RENAME', counts_of_all, saved_counts)
  end
  call('SET', counts_of_all, 'python -m service upgrade is under way: nothing else writes.')
elseif asked.door == 'open' and type_of(counts_of_all) == 'string' then
  if call('EXISTS', saved_counts) == 1 then
    call('RENAME', saved_counts, counts_of_all)
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

-- In the other dimensions the messages are counted already.
local is_new = {}
for _, name in ipairs(asked.counts) do
  is_new[name] = true
end
for i = #COUNTED, 1, -1 do
  if not is_new[COUNTED[i].name] then
    table.remove(COUNTED, i)
  end
end

local to_replace = {}
for _, message in ipairs(asked.messages) do
  local id, packed, fields, old_value, participants = unpack(message)
  local key, record = tag .. ':msg:' .. id, {}
  if type_of(key) == 'string' and call('GET', key) == packed then
    for i = 1, #fields, 2 do
      record[fields[i]] = fields[i + 1]
    end
    update_counters(nil, record)
    to_replace[#to_replace + 1] = {id = id, key = key, record = record, fields = fields,
      old_value = old_value, participants = participants}
  end
end
local counters = read_counters()

-- The writes begin here, in the same order as in merge.lua.
for _, message in ipairs(to_replace) do
  if message.old_value ~= '' then
    call('ZREM', key_of('by', 'recipient', message.old_value), message.id)
  end
  reindex(message.id, nil, message.record)
end
write_values()
write_counters(counters)
for _, message in ipairs(to_replace) do
  local key, participants_key = message.key, tag .. ':participants:' .. message.id
  local expires_ms = call('PTTL', key)
  if #message.participants > 0 then
    call('HSET', participants_key, unpack(message.participants))
  end
  call('DEL', key)
  call('HSET', key, unpack(message.fields))
  if expires_ms > 0 then
    call('PEXPIRE', key, digits(expires_ms))
    call('PEXPIRE', participants_key, digits(expires_ms))
  end
end
return #to_replace
