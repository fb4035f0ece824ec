-- Stands between the prelude and the scripts that write messages: how a message enters and leaves
-- its indexes and counters, behind the partition's tag  :by:<dimension>[:<value>]
-- :count:<dimension>[:<value>]  :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]
-- :values:<dimension>

-- The fields of a packed record; '' for those that it lacks, having been packed before they were.
local function unpacked(packed)
  local record = {string.match(packed, PACKED)}
  if #record < FIELDS then
    record = split(packed, SEPARATOR)
    for field = #record + 1, FIELDS do
      record[field] = ''
    end
  end
  return record
end

-- What is to be added to the counters when the batch is through. Messages that have their values of
-- all counted dimensions in common, as those of one send have, share a group: its values, by the
-- place of the dimension, false for none, and its sums: those of times by their places in the text.
local groups = {}

local function group_of(record)
  local name = counted_by(record)
  local group = groups[name]
  if not group then
    group = {values = {}, count = {}, waits = {}, times = {}}
    for place, dimension in ipairs(COUNTED) do
      group.values[place] = VALUE_OF[dimension.value](record[dimension.field]) or false
    end
    groups[name] = group
  end
  return group
end

local function add(sums, field, number)
  sums[field] = (sums[field] or 0) + number
end

-- How far a message had come before it failed; nil where nothing was reported before.
local function reached_by(record)
  for place = #REACHED, 1, -1 do
    if record[TIME_OF[REACHED[place]]] ~= '' then
      return REACHED[place]
    end
  end
end

-- Adds a number of messages that stand like this one: 1, or -1 for one that does no more.
local function tally(group, record, number)
  local count, status = group.count, record[STATUS]
  count[status] = (count[status] or 0) + number
  if status == 'failed' then
    local reached = reached_by(record)
    if reached then
      add(count, 'failed:' .. reached, number)
    end
    if record[ERROR_CODE] ~= '' then
      add(count, 'error:' .. record[ERROR_CODE], number)
    end
  elseif status == 'sent' then
    add(group.waits, string.sub(record[SENT_MS], 1, -1 - SPANS[1]), number)
  end
end

local LOG_GROWTH = math.log(GROWTH)

-- How many of counters.WITHIN_S are shorter.
local function shorter_than(took_ms)
  -- As many bounds of a second each are shorter; % in place of floor, which would be a call.
  local whole_s = (took_ms - 1 - (took_ms - 1) % 1000) / 1000
  if whole_s < EXACT_S then
    return whole_s < 0 and 0 or whole_s
  elseif whole_s >= LONGEST_S then
    return BOUNDS
  end
  -- A bound is the whole second that follows EXACT_S * GROWTH^n, or that is it.
  local steps = math.log(whole_s / EXACT_S) / LOG_GROWTH
  return EXACT_S + steps - steps % 1
end

local function tally_time(group, timed, at_ms, sent_ms, number)
  if at_ms ~= '' and sent_ms ~= '' then
    -- Texts are read as their numbers here. (tonumber reads a text twice.)
    add(group.times, #TIMED * shorter_than(at_ms - sent_ms) + timed, number)
  end
end

-- Takes what the old record added out of the counters and puts in what the new one adds.
local function recount(from, to, old, new)
  if from then
    tally(from, old, -1)
  end
  if to then
    tally(to, new, 1)
  end
  local same = from == to and old[SENT_MS] == new[SENT_MS]
  for timed = 1, #TIMED do
    local field = TIMED[timed]
    if not same or old[field] ~= new[field] then
      if from then
        tally_time(from, timed, old[field], old[SENT_MS], -1)
      end
      if to then
        tally_time(to, timed, new[field], new[SENT_MS], 1)
      end
    end
  end
end

-- The listed values that messages came to, with the latest's created_us, and those that some left:
-- dimension -> value.
local came, left = {}, {}

local function note_value(dimension, from, to, record)
  came[dimension], left[dimension] = came[dimension] or {}, left[dimension] or {}
  if from then
    left[dimension][from] = true
  end
  if to then
    local latest_us, created_us = came[dimension][to], record[CREATED_US]
    if not latest_us or tonumber(latest_us) < tonumber(created_us) then
      came[dimension][to] = created_us
    end
  end
end

-- Takes a message out of the index entries and counters of its old record and puts it into those
-- of its new one: old is nil for a message that is created, new for one that is deleted.
local function move(id, old, new)
  local from = old and group_of(old)
  if old and new and stays(old, new) then
    recount(from, from, old, new)
    return
  end
  recount(from, new and group_of(new), old, new)
  for _, dimension in ipairs(DIMENSIONS) do
    local value_of, field = VALUE_OF[dimension.value], dimension.field
    local before = old and value_of(old[field]) or nil
    local after = new and value_of(new[field]) or nil
    if before ~= after then
      if before then
        call('ZREM', key_of('by', dimension.name, before), id)
      end
      if after then
        call('ZADD', key_of('by', dimension.name, after), new[CREATED_US], id)
      end
      if dimension.listed then
        note_value(dimension.name, before, after, new)
      end
    end
  end
end

-- The sums of some groups together.
local function sums_of(some)
  if #some == 1 then
    return some[1]
  end
  local total = {count = {}, waits = {}, times = {}}
  for _, group in ipairs(some) do
    for kind, sums in pairs(total) do
      for field, number in pairs(group[kind]) do
        add(sums, field, number)
      end
    end
  end
  return total
end

-- What the groups add to the counters of each value: dimension -> value -> sums.
local function totals_of()
  local totals = {}
  for place, dimension in ipairs(COUNTED) do
    local members = {}
    for _, group in pairs(groups) do
      local value = group.values[place]
      if value then
        members[value] = members[value] or {}
        table.insert(members[value], group)
      end
    end
    local values = {}
    for value, some in pairs(members) do
      values[value] = sums_of(some)
    end
    totals[dimension.name] = values
  end
  return totals
end

-- Adds sums to the fields of a hash; returns whether one of them came to nothing.
local function write_hash(key, sums)
  local gone = false
  for field, number in pairs(sums) do
    if number ~= 0 and call('HINCRBY', key, field, digits(number)) == 0 then
      call('HDEL', key, field)
      gone = true
    end
  end
  return gone
end

-- Of the shortest spans, as they are counted, and of the longer ones, which follow from them.
local function spans_of(waits)
  local sums = {}
  for span, number in pairs(waits) do
    for _, digits_cut in ipairs(SPANS) do
      add(sums, string.sub(span, 1, SPANS[1] - digits_cut - 1), number)
    end
  end
  return sums
end

-- Adds sums to the numbers of 32 bits that stand one behind the other in a text, by their places.
-- BITFIELD does that too, but dearer where a batch changes dozens of them.
local function write_numbers(key, sums)
  local first, last = math.huge, 0
  for place in pairs(sums) do
    first = place < first and place or first
    last = place > last and place or last
  end
  if last == 0 then
    return
  end
  -- Only as much of the text as changes: of many values in a batch each may have but one number.
  local start, stop = 4 * first - 4, 4 * last - 1
  local text = call('GETRANGE', key, start, stop)
  local bytes = {string.byte(text .. string.rep('\0', stop - start + 1 - #text), 1, -1)}
  for place, number in pairs(sums) do
    local at = 4 * (place - first + 1)
    while number ~= 0 do
      local sum = bytes[at] + number
      bytes[at], number, at = sum % 256, math.floor(sum / 256), at - 1
    end
  end
  call('SETRANGE', key, start, string.char(unpack(bytes)))
end

local function write_values()
  for dimension, values in pairs(came) do
    local key = key_of('values', dimension, '')
    for value, created_us in pairs(values) do
      call('ZADD', key, 'GT', created_us, value)
    end
    for value in pairs(left[dimension]) do
      local latest = call('ZREVRANGE', key_of('by', dimension, value), 0, 0, 'WITHSCORES')
      if latest[2] then
        call('ZADD', key, digits(tonumber(latest[2])), value)
      else
        call('ZREM', key, value)
      end
    end
  end
end

-- Ends a batch: writes what `move` has collected.
local function write_counts()
  for name, values in pairs(totals_of()) do
    for value, total in pairs(values) do
      local key, times = key_of('count', name, value), key_of('times', name, value)
      write_numbers(times, total.times)
      write_hash(key_of('waits', name, value), spans_of(total.waits))
      if write_hash(key, total.count) and call('EXISTS', key) == 0 then
        call('DEL', times) -- no message is left that counts
      end
    end
  end
  write_values()
end
