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
  local status = record[STATUS]
  add(group.count, status, number)
  if status == 'failed' then
    local reached = reached_by(record)
    if reached then
      add(group.count, 'failed:' .. reached, number)
    end
    if record[ERROR_CODE] ~= '' then
      add(group.count, 'error:' .. record[ERROR_CODE], number)
    end
  elseif status == 'sent' then
    for _, digits_cut in ipairs(SPANS) do
      add(group.waits, string.sub(record[SENT_MS], 1, -1 - digits_cut), number)
    end
  end
end

-- The place in WITHIN_S of the first that is no shorter; one more where none is.
local function place_of(took_ms)
  local took_s = took_ms / 1000
  if took_s <= 1 then
    return 1
  elseif took_s > WITHIN_S[#WITHIN_S] then
    return #WITHIN_S + 1
  elseif took_s <= EXACT_S then
    return math.ceil(took_s)
  end
  -- Logarithms are a little off at the bounds.
  local place = EXACT_S + math.ceil(math.log(took_s / EXACT_S) / math.log(GROWTH))
  while place > #WITHIN_S or took_s <= WITHIN_S[place - 1] do
    place = place - 1
  end
  while took_s > WITHIN_S[place] do
    place = place + 1
  end
  return place
end

local function tally_time(group, timed, record, number)
  local at_ms, sent_ms = record[TIME_OF[TIMED[timed]]], record[SENT_MS]
  if at_ms ~= '' and sent_ms ~= '' then
    local within = place_of(tonumber(at_ms) - tonumber(sent_ms))
    add(group.times, #TIMED * (within - 1) + timed - 1, number)
  end
end

local function retime(from, to, timed, old, new)
  local field = TIME_OF[TIMED[timed]]
  if from == to and old[field] == new[field] and old[SENT_MS] == new[SENT_MS] then
    return
  end
  if from then
    tally_time(from, timed, old, -1)
  end
  if to then
    tally_time(to, timed, new, 1)
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
  for timed = 1, #TIMED do
    retime(from, to, timed, old, new)
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

-- Adds sums to the numbers of 32 bits that stand one behind the other in a text.
local function write_numbers(key, sums)
  local operations = {}
  for place, number in pairs(sums) do
    if number ~= 0 then
      local n = #operations
      operations[n + 1], operations[n + 2] = 'INCRBY', 'u32'
      operations[n + 3], operations[n + 4] = '#' .. digits(place), digits(number)
    end
  end
  for start = 1, #operations, 200 do
    call('BITFIELD', key, unpack(operations, start, math.min(start + 199, #operations)))
  end
end

-- What the groups add to the counters of each value: dimension -> value -> sums.
local function totals_of()
  local totals = {}
  for place, dimension in ipairs(COUNTED) do
    local values = {}
    totals[dimension.name] = values
    for _, group in pairs(groups) do
      local value = group.values[place]
      if value then
        local total = values[value] or {count = {}, times = {}, waits = {}}
        values[value] = total
        for kind, sums in pairs(total) do
          for field, number in pairs(group[kind]) do
            add(sums, field, number)
          end
        end
      end
    end
  end
  return totals
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
      write_hash(key_of('waits', name, value), total.waits)
      if write_hash(key, total.count) and call('EXISTS', key) == 0 then
        call('DEL', times) -- no message is left that counts
      end
    end
  end
  write_values()
end
