-- Removes messages: records, index entries and counters in one step. Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :by:<dimension>[:<value>]  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]  :values:<dimension>
--          and writes  :gone:<id>
-- ARGV[1]  JSON {"messages": [[id, crc16], …], "dimension": "event", "value": "", "recipient_id":
--          "", "before_us": "", "gone_s": 0}: 1 to 50 messages, each once, with the CRC16 of its
--          wamid as text. Only those go that are in that dimension's index for the value, have
--          exactly that recipient_id ('' for any) and were created before before_us (µs as text,
--          '' for any): they may have changed since they were looked for. gone_s: how long, in
--          seconds, reports must not bring them back; 0: they may.
-- Returns  how many were there and went, as an integer.
-- Cost     O(log N) a message and index; about 25 µs a message.

local asked = cjson.decode(ARGV[1])
local before_us = tonumber(asked.before_us)

local value_of, field
for _, dimension in ipairs(DIMENSIONS) do
  if dimension.name == asked.dimension then
    value_of, field = VALUE_OF[dimension.value], dimension.field
  end
end

local function is_meant(record)
  return value_of(record[field]) == asked.value
    and (asked.recipient_id == '' or record[RECIPIENT_ID] == asked.recipient_id)
    and (not before_us or tonumber(record[CREATED_US]) < before_us)
end

local keys, doomed = {}, {}
for i, message in ipairs(asked.messages) do
  keys[i] = tag .. ':msg:' .. message[1]
end
for i, packed in ipairs(call('MGET', unpack(keys))) do
  local record = packed and unpacked(packed)
  if record and is_meant(record) then
    local id, crc16 = unpack(asked.messages[i])
    recount(record, nil)
    doomed[#doomed + 1] = {id = id, crc16 = crc16, key = keys[i], record = record}
  end
end
local counters = counters_after()

-- The writes begin here, in the same order as in merge.lua.
for _, each in ipairs(doomed) do
  move(each.id, each.record, nil)
end
write_values()
write_counters(counters)
for _, each in ipairs(doomed) do
  if asked.gone_s > 0 then
    call('SET', tag .. ':gone:' .. each.id, each.crc16, 'EX', digits(asked.gone_s))
  end
  call('DEL', each.key)
end
return #doomed
