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
-- place of the dimension, false for none, and its sums, by the kind of hash and the field.
local groups = {}

local function group_of(record)
  local name = ''
  for _, dimension in ipairs(COUNTED) do
    name = name .. (VALUE_OF[dimension.value](record[dimension.field]) or '') .. SEPARATOR
  end
  local group = groups[name]
  if not group then
    group = {values = {}, sums = {count = {}, times = {}, waits = {}}}
    for place, dimension in ipairs(COUNTED) do
      group.values[place] = VALUE_OF[dimension.value](record[dimension.field]) or false
    end
    groups[name] = group
  end
  return group.sums
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

-- The first of WITHIN_S that is no shorter.
local function within(took_ms)
  if took_ms > 1000 * WITHIN_S[#WITHIN_S] then
    return OVER
  end
  local low, high = 1, #WITHIN_S
  while low < high do
    local middle = math.floor((low + high) / 2)
    if took_ms <= 1000 * WITHIN_S[middle] then
      high = middle
    else
      low = middle + 1
    end
  end
  return digits(WITHIN_S[low])
end

-- Adds a number of messages like this one to its group: 1, or -1 for one that is no more like it.
local function tally(sums, record, number)
  local status = record[STATUS]
  add(sums.count, status, number)
  if status == 'failed' then
    local reached = reached_by(record)
    if reached then
      add(sums.count, 'failed:' .. reached, number)
    end
    if record[ERROR_CODE] ~= '' then
      add(sums.count, 'error:' .. record[ERROR_CODE], number)
    end
  elseif status == 'sent' then
    local created_ms = math.floor(tonumber(record[CREATED_US]) / 1000)
    local since_ms = math.min(tonumber(record[SENT_MS]), created_ms)
    add(sums.waits, 'slot:' .. digits(math.floor(since_ms / SLOT_MS)), number)
    add(sums.waits, 'day:' .. digits(math.floor(since_ms / DAY_MS)), number)
  end
end

local function tally_time(sums, record, status, number)
  local at_ms, sent_ms = record[TIME_OF[status]], record[SENT_MS]
  if at_ms ~= '' and sent_ms ~= '' then
    add(sums.times, status .. ':' .. within(tonumber(at_ms) - tonumber(sent_ms)), number)
  end
end

-- Takes what the old record added out of the counters and puts in what the new one adds.
local function recount(old, new)
  local from, to = old and group_of(old), new and group_of(new)
  if old then
    tally(from, old, -1)
  end
  if new then
    tally(to, new, 1)
  end
  for _, status in ipairs(TIMED) do
    local field = TIME_OF[status]
    if from ~= to or old[field] ~= new[field] or old[SENT_MS] ~= new[SENT_MS] then
      if old then
        tally_time(from, old, status, -1)
      end
      if new then
        tally_time(to, new, status, 1)
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
  for _, dimension in ipairs(DIMENSIONS) do
    local value_of, field = VALUE_OF[dimension.value], dimension.field
    if not (old and new and old[field] == new[field]) then
      local from = old and value_of(old[field]) or nil
      local to = new and value_of(new[field]) or nil
      if from ~= to then
        if from then
          call('ZREM', key_of('by', dimension.name, from), id)
        end
        if to then
          call('ZADD', key_of('by', dimension.name, to), new[CREATED_US], id)
        end
        if dimension.listed then
          note_value(dimension.name, from, to, new)
        end
      end
    end
  end
  recount(old, new)
end

-- What the groups add to each counter: key -> field -> number.
local function totals_of()
  local totals = {}
  for _, group in pairs(groups) do
    for place, dimension in ipairs(COUNTED) do
      for kind, sums in pairs(group.values[place] and group.sums or {}) do
        local key = key_of(kind, dimension.name, group.values[place])
        local fields = totals[key] or {}
        totals[key] = fields
        for field, number in pairs(sums) do
          add(fields, field, number)
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
  for key, fields in pairs(totals_of()) do
    for field, number in pairs(fields) do
      if number ~= 0 and call('HINCRBY', key, field, number) == 0 then
        call('HDEL', key, field)
      end
    end
  end
  write_values()
end
