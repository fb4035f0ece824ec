-- Holds index entries, lists of values and the counters of a value against the records, and mends
-- them. Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :by:<dimension>[:<value>]  :count:<dimension>[:<value>]  :times:<dimension>[:<value>]
--            :waits:<dimension>[:<value>]  :values:<dimension>
--            :msg:<id>  :participants:<id>
--          and reads  :feed
-- ARGV[1]  JSON {"mend": true, "entries": [[id, dimension, value], …], "lists": [[dimension,
--          value], …], "group": "", "add": [count, times, waits], "state": "…", "dimension":
--          "event", "value": ""}. entries: up to 100 that may be wrong: missing, of a lost
--          message, or with a wrong score; lists: up to 100 values that may be listed wrongly;
--          group: the id of a message that may have a wrong number of participants, '' for none.
--          With mend they are made right, and participants of no message are removed. add: sums
--          for the counters of the value: [[field, number], …], of times [[position, number], …]
--          from 1; they are added only if the counters are still in this state.
-- Returns  how many of entries, of lists and of groups were wrong, the id of the feed's last entry
--          or '', and of the value's counters their state, and what count, times and waits hold, as
--          HGETALL and GET have it.
-- Cost     about 10 µs an entry; O(fields) for the counters, and for a group's participants.

local asked = cjson.decode(ARGV[1])

-- The score that a message has in an index if it belongs there, else false.
local function score_of(id, rows, value)
  local key, record = tag .. ':msg:' .. id, {}
  for _, row in ipairs(rows) do
    record[row.field] = call('HGET', key, row.field)
  end
  return has_value(rows, record, value) and call('HGET', key, 'created_us')
end

if asked.mend or #asked.add > 0 then
  refuse_while_upgraded()
end

local wrong_entries = 0
for _, entry in ipairs(asked.entries) do
  local id, name, value = unpack(entry)
  local key = key_of('by', name, value)
  local expected, found = score_of(id, rows_of(name), value), call('ZSCORE', key, id)
  if tonumber(expected or -1) ~= tonumber(found or -1) then
    wrong_entries = wrong_entries + 1
    if asked.mend and expected then
      call('ZADD', key, expected, id)
    elseif asked.mend then
      call('ZREM', key, id)
    end
  end
end

local wrong_lists = 0
for _, listed in ipairs(asked.lists) do
  local name, value = unpack(listed)
  local latest = call('ZREVRANGE', key_of('by', name, value), 0, 0, 'WITHSCORES')[2]
  local found = call('ZSCORE', key_of('values', name, ''), value)
  if tonumber(latest or -1) ~= tonumber(found or -1) then
    wrong_lists = wrong_lists + 1
    note_value(name, value, nil, nil)
  end
end
if asked.mend then
  write_values()
end

-- The number of a message's participants, as digits; false for none.
local function number_of(key)
  local number = 0
  for _, field in ipairs(call('HKEYS', key)) do
    if string.sub(field, -12) == ' received_us' then
      number = number + 1
    end
  end
  return number > 0 and digits(number)
end

local wrong_groups = 0
if asked.group ~= '' then
  local key, beside = tag .. ':msg:' .. asked.group, tag .. ':participants:' .. asked.group
  local number, stored = number_of(beside), call('HGET', key, 'participants')
  if number ~= stored then
    wrong_groups = 1
    if asked.mend and call('EXISTS', key) == 0 then
      call('UNLINK', beside)
    elseif asked.mend and number then
      call('HSET', key, 'participants', number)
    elseif asked.mend then
      call('HDEL', key, 'participants')
    end
  end
end

local suffix = suffix_of(asked.dimension, asked.value)
local count, waits, times = tag .. ':count' .. suffix, tag .. ':waits' .. suffix,
  tag .. ':times' .. suffix

local function sums_of(pairs_of_them)
  local sums = {}
  for _, each in ipairs(pairs_of_them) do
    sums[each[1]] = each[2]
  end
  return sums
end

local function read()
  local held = {call('HGETALL', count), call('GET', times) or '', call('HGETALL', waits)}
  local texts = {table.concat(held[1], '\31'), held[2], table.concat(held[3], '\31')}
  return held, redis.sha1hex(table.concat(texts, '\30'))
end

local held, state = read()
if #asked.add > 0 and asked.state == state then
  local start, text = times_after(times, sums_of(asked.add[2]))
  if text then
    call('SETRANGE', times, start, text)
  end
  write_hash(waits, hash_after(waits, sums_of(asked.add[3])))
  write_hash(count, hash_after(count, sums_of(asked.add[1])))
  if call('EXISTS', count) == 0 then
    call('DEL', waits, times)
  end
  held, state = read()
end

local last = call('XREVRANGE', tag .. ':feed', '+', '-', 'COUNT', 1)[1]
return {wrong_entries, wrong_lists, wrong_groups, last and last[1] or '', state, unpack(held)}
