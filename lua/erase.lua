-- Removes messages: records, index entries and counters in one step. Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :by:<dimension>[:<value>]  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]  :values:<dimension>
--          and writes  :participants:<id>  :gone:<id>  :feed
-- ARGV[1]  JSON {"messages": [[id, crc16], …], "dimension": "event", "value": "", "recipients":
--          [], "before_us": "", "gone_s": 0}: 1 to 10 messages, each once, with the CRC16 of its
--          wamid as text. Only those go that are in that dimension's index for the value, have one
--          of these recipients ([] for any) and were created before before_us (µs as text, '' for
--          any): they may have changed since they were looked for. gone_s: how long, in seconds,
--          reports must not bring them back; 0: they may.
-- Returns  how many were there and went, as an integer. An entry of that index whose record is lost
--          goes too, and counts.
-- Cost     O(log N) a message and index; about 40 µs a message, and up to 130 µs where none shares
--          its event, template and campaign with another.

local asked = cjson.decode(ARGV[1])
local before_us = tonumber(asked.before_us)

local rows = rows_of(asked.dimension)

-- Only asked of messages under a recipient: it is the rows of that dimension that are looked at.
local function is_for(record)
  for _, recipient in ipairs(asked.recipients) do
    for _, row in ipairs(rows) do
      if record[row.field] == recipient then
        return true
      end
    end
  end
  return #asked.recipients == 0
end

local function is_meant(record)
  return has_value(rows, record, asked.value)
    and is_for(record)
    and (not before_us or tonumber(record.created_us) < before_us)
end

local sizes = {}

local function read(key)
  sizes[key] = sizes[key] or call('ZCARD', key)
end

-- Reads all that `move` and `write_values` write to: a key of another kind stops the script here.
-- Later it would leave a record that is in no index, and nobody could find it to erase it.
local function read_indexes(record)
  for _, each in ipairs(DIMENSIONS) do
    local value = VALUE_OF[each.value](record[each.field])
    if value then
      read(key_of('by', each.name, value))
      if each.listed then
        read(key_of('values', each.name, ''))
      end
    end
  end
end

local doomed, going, lost = {}, {}, {}
for _, message in ipairs(asked.messages) do
  local id, crc16 = unpack(message)
  local key = tag .. ':msg:' .. id
  local record = record_at(key)
  if not record then
    lost[#lost + 1] = id
  elseif is_meant(record) then
    read_indexes(record)
    recount(record, nil)
    going[#going + 1] = id
    doomed[#doomed + 1] = {id = id, crc16 = crc16, key = key, record = record}
  end
end
local counters = read_counters()
refuse_while_upgraded()

-- The writes begin here, in the same order as in merge.lua.
for _, each in ipairs(doomed) do
  move(each.id, each.record, nil)
end
write_values()
publish(going)
write_counters(counters)
for _, each in ipairs(doomed) do
  if asked.gone_s > 0 then
    call('SET', tag .. ':gone:' .. each.id, each.crc16, 'EX', digits(asked.gone_s))
  end
  call('UNLINK', tag .. ':participants:' .. each.id) -- a big one is freed beside the server's work
  call('DEL', each.key)
end
local entries = 0
for _, id in ipairs(lost) do
  entries = entries + call('ZREM', key_of('by', asked.dimension, asked.value), id)
end
return #doomed + entries
