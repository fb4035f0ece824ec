-- Stands before every script: the rules rendered from Python, and the functions that the scripts
-- share. It writes nothing, and reads only where a script calls `start_rank`.

-- Scripts call Redis only by this function. Tests put a stricter one here, which refuses every key
-- that does not begin with the tag.
local call = redis.call

--@rules

local tag = KEYS[1]

-- Returns an integer of up to 16 digits as text. (tostring and .. keep only 14 of them.)
local function digits(number)
  return string.format('%d', number)
end

-- Returns whether a comes before b by their bytes. (Lua's < on texts follows the server's locale.)
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

-- For each dimensions.Value, a function from a field's text to the value under which the record is
-- in the dimension's index: '' where the dimension is a single index; nil or false if the record
-- isn't in it. The text of a missing field is nil or false, too.
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

-- Returns the rows of a dimension in DIMENSIONS: one for each field that gives it values.
local function rows_of(name)
  local rows = {}
  for _, dimension in ipairs(DIMENSIONS) do
    if dimension.name == name then
      rows[#rows + 1] = dimension
    end
  end
  return rows
end

-- Returns whether a record has a value by one of these rows.
local function has_value(rows, record, value)
  for _, row in ipairs(rows) do
    if VALUE_OF[row.value](record[row.field]) == value then
      return true
    end
  end
  return false
end

-- Returns what the keys of a dimension's value end with.
local function suffix_of(name, value)
  if value == '' then
    return ':' .. name
  end
  return ':' .. name .. ':' .. value
end

-- Returns the key of a dimension's value, of a kind such as 'by' for its index or 'count'.
local function key_of(kind, name, value)
  return tag .. ':' .. kind .. suffix_of(name, value)
end

-- Returns the rank, from the end of a sorted set, of the first entry behind a position: 0 if
-- after_us is ''. The position's own entry may be gone by now. Many entries may share its
-- microsecond, so it searches those by halves.
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
