-- Stands before every script: the rules rendered from Python, and what the scripts share.
-- Reads and writes nothing itself.

-- The one way to Redis. Tests put a stricter function here, which refuses every key that does not
-- begin with the tag.
local call = redis.call

--@rules

local tag = KEYS[1]

-- A whole number of up to 16 digits as text; tostring and .. keep only 14 of them.
local function digits(number)
  return string.format('%d', number)
end

-- Whether a comes before b by their bytes. Redis's own < on strings follows the server's locale.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

-- The function of each keys.Value: the value by which a record is in a dimension's index, made of
-- the field's text; nil or false if it isn't in the index, '' where the dimension is a single one.
-- The text of a field that isn't there is nil or false too.
local VALUE_OF = {
  field = function(text)
    return text
  end,
  ending = function(text)
    if text and #text >= ENDING_DIGITS and #text <= 15 and not string.find(text, '[^0-9]') then
      return string.sub(text, -ENDING_DIGITS)
    end
    return text
  end,
  absent = function(text)
    if not text then
      return ''
    end
  end,
  always = function()
    return ''
  end,
  failed = function(text)
    if text == 'failed' then
      return ''
    end
  end,
}

-- The rows of a dimension in DIMENSIONS, which has one for each field that gives it values.
local function rows_of(name)
  local rows = {}
  for _, dimension in ipairs(DIMENSIONS) do
    if dimension.name == name then
      rows[#rows + 1] = dimension
    end
  end
  return rows
end

-- Whether a record has a value by one of these rows.
local function has_value(rows, record, value)
  for _, row in ipairs(rows) do
    if VALUE_OF[row.value](record[row.field]) == value then
      return true
    end
  end
  return false
end

-- How the keys of a dimension's value end.
local function suffix_of(name, value)
  if value == '' then
    return ':' .. name
  end
  return ':' .. name .. ':' .. value
end

-- The key of a dimension's index ('by') or counters ('count') for a value.
local function key_of(kind, name, value)
  return tag .. ':' .. kind .. suffix_of(name, value)
end

-- How many entries of a sorted set, read from its end, come before those behind a position. The
-- position's own entry may be gone by now, and many may share its microsecond: among those it is
-- looked for by halves.
local function start_rank(index, after_us, after)
  if after_us == '' then
    return 0
  end
  local low = call('ZCOUNT', index, '(' .. after_us, '+inf')
  local high = low + call('ZCOUNT', index, after_us, after_us)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if precedes(call('ZREVRANGE', index, middle, middle)[1], after) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
