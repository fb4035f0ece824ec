-- Compares the indexes, lists and counters of a partition with its records, and mends them if that
-- is wanted. Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :by:<dimension>[:<value>]  :count:<dimension>[:<value>]  :times:<dimension>[:<value>]
--            :waits:<dimension>[:<value>]  :values:<dimension>
--            :msg:<id>  :participants:<id>
--          and reads  :feed
-- ARGV[1]  JSON {"mend": true, "messages": [id, …], "indexes": [[dimension, value, cursor], …],
--          "lists": [[dimension, value, latest], …], "group": "", "counters": [[dimension, value],
--          …], "put": [count, times, waits], "place": "…"}.
--          messages: up to 30; it looks for their index entries. indexes: up to 60; it looks for
--          the messages of their entries, from a cursor of ZSCAN on. lists: up to 30 values, with
--          the created_us of their latest message as the records have it, '' for none. group: the
--          id of a message that may have a wrong number of participants, '' for none. With mend it
--          corrects all these, and removes participants that belong to no message.
--          counters: up to 30 values whose counters it reads. put: what the first of them must
--          hold: fields with their numbers, all numbers of times or none, fields with their
--          numbers. It is written if place is still the id of the feed's last entry.
-- Returns  id, dimension and value of each wrong entry, one after the other; the next cursors of
--          the indexes that it came to; how many lists and how many groups were wrong; the id of
--          the feed's last entry, '' for none; and count, times and waits of the counters that it
--          came to, as HGETALL and GET return them.
-- Cost     about 30 µs a message and 10 µs an entry of an index. After 100 entries and indexes it
--          begins no further index, so it reads 230 entries at the most. O(fields) for counters:
--          after 1,000 fields it begins no further ones. O(participants) for a group.

local MOST_ENTRIES, MOST_FIELDS = 100, 1000

local asked = cjson.decode(ARGV[1])

if asked.mend then
  refuse_while_upgraded()
end

local wrong_entries = {}

local function note_wrong(id, name, value)
  local n = #wrong_entries
  wrong_entries[n + 1], wrong_entries[n + 2], wrong_entries[n + 3] = id, name, value
end

for _, id in ipairs(asked.messages) do
  local record = record_at(tag .. ':msg:' .. id)
  for _, row in ipairs(record and DIMENSIONS or {}) do
    local value = VALUE_OF[row.value](record[row.field])
    local key = value and key_of('by', row.name, value)
    local score = key and call('ZSCORE', key, id)
    if key and score ~= record.created_us
        and tonumber(score or -1) ~= tonumber(record.created_us) then
      note_wrong(id, row.name, value)
      if asked.mend then
        call('ZADD', key, record.created_us, id)
      end
    end
  end
end

-- Returns a test whether a message belongs in the index of a dimension's value.
local function test_of(name)
  local rows, fields = rows_of(name), {'created_us'}
  for i, row in ipairs(rows) do
    fields[i + 1] = row.field
  end
  return function(id, value)
    local texts = call('HMGET', tag .. ':msg:' .. id, unpack(fields))
    for i, row in ipairs(texts[1] and rows or {}) do
      if VALUE_OF[row.value](texts[i + 1]) == value then
        return true
      end
    end
    return false
  end
end

local cursors, scanned, tests = {}, 0, {}
for place, index in ipairs(asked.indexes) do
  if scanned >= MOST_ENTRIES then
    break
  end
  local name, value, cursor = unpack(index)
  local key = key_of('by', name, value)
  local next_cursor, entries = unpack(call('ZSCAN', key, cursor, 'COUNT', 50))
  cursors[place], scanned = next_cursor, scanned + 1 + #entries / 2
  tests[name] = tests[name] or test_of(name)
  for i = 1, #entries, 2 do
    if not tests[name](entries[i], value) then
      note_wrong(entries[i], name, value)
      if asked.mend then
        call('ZREM', key, entries[i])
      end
    end
  end
end

-- The expected times are a moment old. If a list differs from them but agrees with its index, both
-- have changed since, and it is right.
local wrong_lists = 0
for _, listed in ipairs(asked.lists) do
  local name, value, expected = unpack(listed)
  local found = tonumber(call('ZSCORE', key_of('values', name, ''), value) or -1)
  local latest = call('ZREVRANGE', key_of('by', name, value), 0, 0, 'WITHSCORES')[2]
  if found ~= tonumber(expected ~= '' and expected or -1) and found ~= tonumber(latest or -1) then
    wrong_lists = wrong_lists + 1
    note_value(name, value, nil, nil)
  end
end
if asked.mend then
  write_values()
end

-- Returns the number of a message's participants, as digits; false for none.
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
  local key = tag .. ':msg:' .. asked.group
  local participants_key = tag .. ':participants:' .. asked.group
  local number, stored = number_of(participants_key), call('HGET', key, 'participants')
  if number ~= stored then
    wrong_groups = 1
    if asked.mend and call('EXISTS', key) == 0 then
      call('UNLINK', participants_key)
    elseif asked.mend and number then
      call('HSET', key, 'participants', number)
    elseif asked.mend then
      call('HDEL', key, 'participants')
    end
  end
end

local function put_fields(key, numbers)
  for _, each in ipairs(numbers) do
    local field, number = each[1], each[2]
    if number > 0 then
      call('HSET', key, field, digits(number))
    else
      call('HDEL', key, field)
    end
  end
end

-- Writes all numbers of `times`, 32 bits each, the highest byte first.
local function put_times(key, numbers)
  local texts = {}
  for position, number in ipairs(numbers) do
    for shift = 3, 0, -1 do
      texts[4 * position - shift] = string.char(math.floor(number / 256 ^ shift) % 256)
    end
  end
  if #texts > 0 then
    call('SET', key, table.concat(texts))
  end
end

local entry = call('XREVRANGE', tag .. ':feed', '+', '-', 'COUNT', 1)[1]
local last = entry and entry[1] or ''

local counters, fields = {}, 0
for place, counter in ipairs(asked.counters) do
  if fields >= MOST_FIELDS then
    break
  end
  local suffix = suffix_of(unpack(counter))
  local count, times, waits = tag .. ':count' .. suffix, tag .. ':times' .. suffix,
    tag .. ':waits' .. suffix
  if place == 1 and asked.mend and #asked.put > 0 and asked.place == last then
    put_fields(waits, asked.put[3])
    put_times(times, asked.put[2])
    put_fields(count, asked.put[1])
    if call('EXISTS', count) == 0 then
      call('DEL', waits, times)
    end
  end
  fields = fields + call('HLEN', count) + call('HLEN', waits)
  counters[place] = {call('HGETALL', count), call('GET', times) or '', call('HGETALL', waits)}
end

return {wrong_entries, cursors, wrong_lists, wrong_groups, last, counters}
