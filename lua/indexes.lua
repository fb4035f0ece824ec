-- Stands between the prelude and the scripts that write messages: how a message enters and leaves
-- its indexes and counters, behind the partition's tag  :by:<dimension>[:<value>]
-- :count:<dimension>[:<value>]

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

-- What is to be added to each counter when the batch is through: dimension -> value -> field.
local counts = {}
for _, dimension in ipairs(DIMENSIONS) do
  counts[dimension.name] = {}
end

local function count(dimension, value, record, number)
  local values = counts[dimension.name]
  local fields = values[value]
  if not fields then
    fields = {}
    values[value] = fields
  end
  fields[record[STATUS]] = (fields[record[STATUS]] or 0) + number
  if record[ERROR_CODE] ~= '' then
    local field = 'error:' .. record[ERROR_CODE]
    fields[field] = (fields[field] or 0) + number
  end
end

-- Takes a message out of the index entries and counters of its old record and puts it into those
-- of its new one: old is nil for a message that is created, new for one that is deleted.
local function move(id, old, new)
  for _, dimension in ipairs(DIMENSIONS) do
    local value_of, field = VALUE_OF[dimension.value], dimension.field
    local stays = old and new and old[field] == new[field]
    if dimension.counted or not stays then
      local from = old and value_of(old[field])
      local to = new and value_of(new[field])
      if from and from ~= to then
        call('ZREM', key_of('by', dimension.name, from), id)
      end
      if to and from ~= to then
        call('ZADD', key_of('by', dimension.name, to), new[CREATED_US], id)
      end
      if dimension.counted and from then
        count(dimension, from, old, -1)
      end
      if dimension.counted and to then
        count(dimension, to, new, 1)
      end
    end
  end
end

local function write_counts()
  for name, values in pairs(counts) do
    for value, fields in pairs(values) do
      local key = key_of('count', name, value)
      for field, number in pairs(fields) do
        if number ~= 0 and call('HINCRBY', key, field, number) == 0 then
          call('HDEL', key, field)
        end
      end
    end
  end
end
