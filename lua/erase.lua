-- Removes messages: records, index entries and counters in one step. Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :by:<dimension>[:<value>]  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]  :values:<dimension>
--          and writes  :participants:<id>  :gone:<id>  :feed
-- ARGV[1]  JSON {"messages": [[id, crc16], …], "dimension": "event", "value": "", "recipients":
--          [], "before_us": "", "gone_s": 0}: 1 to 10 messages, each once, with the CRC16 of its
--          wamid as text. They may have changed since the service found them, so the script removes
--          only those that are in that dimension's index for the value, have one of these
--          recipients ([] for any) and were created before before_us (µs as text, '' for any).
--          gone_s: how long, in seconds, reports must not bring them back; 0: they may.
-- Returns  how many messages it removed, as an integer. It also removes, and counts, the entries of
--          that index whose record is lost.
-- Cost     O(log N) a message and index; about 40 µs a message, and up to 130 µs where no other
--          message shares its event, template and campaign.

local asked = cjson.decode(ARGV[1])
local before_us = tonumber(asked.before_us)

local rows = rows_of(asked.dimension)

-- Returns whether a record has one of the recipients. Where there are any, the dimension is that of
-- the recipients, so its rows name the fields to look at.
local function has_recipient(record)
  for _, recipient in ipairs(asked.recipients) do
    for _, row in ipairs(rows) do
      if record[row.field] == recipient then
        return true
      end
    end
  end
  return #asked.recipients == 0
end

local function matches(record)
  return has_value(rows, record, asked.value)
    and has_recipient(record)
    and (not before_us or tonumber(record.created_us) < before_us)
end

local sizes = {}

local function read(key)
  sizes[key] = sizes[key] or call('ZCARD', key)
end

-- Reads all sorted sets that `reindex` and `write_values` write: a key of another type stops the
-- script here. If it stopped later, a record would be in no index, and nobody could find it to
-- erase it.
local function read_indexes(record)
  for _, row in ipairs(DIMENSIONS) do
    local value = VALUE_OF[row.value](record[row.field])
    if value then
      read(key_of('by', row.name, value))
      if row.listed then
        read(key_of('values', row.name, ''))
      end
    end
  end
end

local to_delete, ids, ids_without_record = {}, {}, {}
for _, message in ipairs(asked.messages) do
  local id, crc16 = unpack(message)
  local key = tag .. ':msg:' .. id
  local record = record_at(key)
  if not record then
    ids_without_record[#ids_without_record + 1] = id
  elseif matches(record) then
    read_indexes(record)
    update_counters(record, nil)
    ids[#ids + 1] = id
    to_delete[#to_delete + 1] = {id = id, crc16 = crc16, key = key, record = record}
  end
end
local counters = read_counters()
refuse_while_upgraded()

-- The writes begin here, in the same order as in merge.lua.
for _, message in ipairs(to_delete) do
  reindex(message.id, message.record, nil)
end
write_values()
publish(ids)
write_counters(counters)
for _, message in ipairs(to_delete) do
  if asked.gone_s > 0 then
    call('SET', tag .. ':gone:' .. message.id, message.crc16, 'EX', digits(asked.gone_s))
  end
  -- UNLINK frees the memory of a big hash in a thread beside the server's work.
  call('UNLINK', tag .. ':participants:' .. message.id)
  call('DEL', message.key)
end
local entries = 0
for _, id in ipairs(ids_without_record) do
  entries = entries + call('ZREM', key_of('by', asked.dimension, asked.value), id)
end
return #to_delete + entries
