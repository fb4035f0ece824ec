-- Replaces records by hashes, and keeps the scripts of earlier versions from writing meanwhile.
-- Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :participants:<id>  :by:<dimension>[:<value>]
--            :count:<dimension>[:<value>]  :upgrading  :schema
-- ARGV[1]  JSON {"door": "shut", "schema": ["version", "3", …], "from": "2", "messages": [[id,
--          held, [field, value, …], left, [field, value, …]], …]}. door: "shut" puts a text where
--          the counters of all messages are: every merge and erasure reads them before its first
--          write, and so fails without a trace; "open" puts the counters back; "" does neither.
--          from: the version that the store is brought from, "" for none, set with the fields of
--          schema in one step; without fields it is left as it is. messages: up to 32, with the
--          text that the record is as long as nobody else has changed it, the fields to put in its
--          place, the value of the recipient's index that it leaves for those of its fields, ''
--          for none, and the fields of its participants.
-- Returns  how many records were replaced.
-- Cost     about 20 µs a message.

local asked = cjson.decode(ARGV[1])
local counters, kept = tag .. ':count:all', tag .. ':upgrading'

local function type_of(key)
  local kind = call('TYPE', key)
  return kind.ok or kind
end

if asked.door == 'shut' and type_of(counters) ~= 'string' then
  if call('EXISTS', counters) == 1 then
    call('RENAME', counters, kept)
  end
  call('SET', counters, 'python -m service upgrade is under way: nothing else writes.')
elseif asked.door == 'open' and type_of(counters) == 'string' then
  if call('EXISTS', kept) == 1 then
    call('RENAME', kept, counters)
  else
    call('DEL', counters)
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

-- Brings a message from one value of the recipient's index to all that its fields have.
local function index_again(id, fields, left)
  local record = {}
  for i = 1, #fields, 2 do
    record[fields[i]] = fields[i + 1]
  end
  if left ~= '' then
    call('ZREM', key_of('by', 'recipient', left), id)
  end
  for _, row in ipairs(rows_of('recipient')) do
    local value = VALUE_OF[row.value](record[row.field])
    if value then
      call('ZADD', key_of('by', 'recipient', value), record.created_us, id)
    end
  end
end

local replaced = 0
for _, message in ipairs(asked.messages) do
  local id, held, fields, left, members = unpack(message)
  local key, beside = tag .. ':msg:' .. id, tag .. ':participants:' .. id
  if type_of(key) == 'string' and call('GET', key) == held then
    local left_ms = call('PTTL', key)
    index_again(id, fields, left)
    if #members > 0 then
      call('HSET', beside, unpack(members))
    end
    call('DEL', key)
    call('HSET', key, unpack(fields))
    if left_ms > 0 then
      call('PEXPIRE', key, digits(left_ms))
      call('PEXPIRE', beside, digits(left_ms))
    end
    replaced = replaced + 1
  end
end
return replaced
