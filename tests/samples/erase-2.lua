-- Stands before every script: the rules rendered from Python, and what the scripts share.
-- Reads and writes nothing itself.

-- The one way to Redis. Tests put a stricter function here, which refuses every key that does not
-- begin with the tag.
local call = redis.call

local RANK = {sent = 1, delivered = 2, read = 3, failed = 4}
local TIME_OF = {sent = 3, delivered = 4, read = 5, failed = 6}
local ERROR = {8, 9, 21, 22}
local REACHED = {'sent', 'delivered', 'read'}
local TIMED = {4, 5}
local SPANS = {6, 8}
local EXTRAS = {23, 24, 25, 26, 27, 28}
local CONTEXT = {13, 14, 15, 16, 17, 18, 19, 20}
local DIMENSIONS = {
  {name = 'event', value = 'field', field = 14, listed = true},
  {name = 'registration', value = 'field', field = 15, listed = false},
  {name = 'guest', value = 'field', field = 16, listed = false},
  {name = 'recipient', value = 'ending', field = 13, listed = false},
  {name = 'template', value = 'field', field = 17, listed = true},
  {name = 'standalone', value = 'absent', field = 14, listed = false},
  {name = 'all', value = 'always', field = 10, listed = false},
  {name = 'failed', value = 'failed', field = 1, listed = false},
}
local COUNTED = {
  {name = 'event', value = 'field', field = 14, listed = true},
  {name = 'template', value = 'field', field = 17, listed = true},
  {name = 'all', value = 'always', field = 10, listed = false},
}
local function counted_by(record) return record[14] .. '\31' .. record[17] end
local function stays(old, new) return old[14] == new[14] and old[15] == new[15] and old[16] == new[16] and old[13] == new[13] and old[17] == new[17] and old[14] == new[14] and old[10] == new[10] and (old[1] == 'failed') == (new[1] == 'failed') end

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

-- The fields of a text, in their order.
local function split(text, separator)
  local fields, count = {}, 0
  for field in string.gmatch(text .. separator, '([^' .. separator .. ']*)' .. separator) do
    count = count + 1
    fields[count] = field
  end
  return fields
end

-- The function of each keys.Value: the value by which a record is in a dimension's index, nil if
-- it isn't; '' where the dimension is a single index.
local VALUE_OF = {
  field = function(text)
    if text ~= '' then
      return text
    end
  end,
  ending = function(text)
    if #text >= 10 and #text <= 15 and not string.find(text, '[^0-9]') then
      return string.sub(text, -10)
    end
    if text ~= '' then
      return text
    end
  end,
  absent = function(text)
    if text == '' then
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
-- Stands between the prelude and the scripts that write messages: how a message enters and leaves
-- its indexes and counters, behind the partition's tag  :by:<dimension>[:<value>]
-- :count:<dimension>[:<value>]  :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]
-- :values:<dimension>

-- The fields of a packed record; '' for those that it lacks, having been packed before they were.
local function unpacked(packed)
  local record = {string.match(packed, '^([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)$')}
  if #record < 29 then
    record = split(packed, '\31')
  elseif 29 < 29 then
    -- A pattern has 32 captures at most: the last one holds all further fields.
    for place, text in ipairs(split(record[29], '\31')) do
      record[29 - 1 + place] = text
    end
  end
  for field = #record + 1, 29 do
    record[field] = ''
  end
  return record
end

-- Counter changes of this batch, grouped by the values of all counted dimensions, which the
-- messages of one send share. A group holds the suffixes of these values' keys, such as
-- ':event:5', and the sums to add: to fields of `count`, to error codes, to spans of `waits`, and
-- to the numbers in `times`, by their positions.
local groups = {}

local function group_of(record)
  local name = counted_by(record)
  local group = groups[name]
  if not group then
    group = {suffixes = {}, count = {}, errors = {}, waits = {}, times = {}}
    for _, dimension in ipairs(COUNTED) do
      local value = VALUE_OF[dimension.value](record[dimension.field])
      if value then
        table.insert(group.suffixes, suffix_of(dimension.name, value))
      end
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

-- Adds `number`, 1 or -1, to every counter that a message with this record belongs to.
local function tally(group, record, number)
  local count, status = group.count, record[1]
  count[status] = (count[status] or 0) + number
  if status == 'failed' then
    local reached = reached_by(record)
    if reached then
      add(count, 'failed:' .. reached, number)
    end
    if record[8] ~= '' then
      add(group.errors, record[8], number)
    end
  elseif status == 'sent' then
    add(group.waits, string.sub(record[3], 1, -1 - SPANS[1]), number)
  end
end

local LOG_GROWTH = math.log(1.1)

-- How many of counters.WITHIN_S are shorter.
local function shorter_than(took_ms)
  -- Below 20 the bounds are a second apart; % in place of floor, which would be a call.
  local whole_s = (took_ms - 1 - (took_ms - 1) % 1000) / 1000
  if whole_s < 20 then
    return whole_s < 0 and 0 or whole_s
  elseif whole_s >= 2592000 then
    return 144
  end
  -- A bound is the whole second that follows 20 * 1.1^n, or that is it.
  local steps = math.log(whole_s / 20) / LOG_GROWTH
  return 20 + steps - steps % 1
end

local function tally_time(group, timed, at_ms, sent_ms, number)
  if at_ms ~= '' and sent_ms ~= '' then
    -- Texts are read as their numbers here. (tonumber reads a text twice.)
    local took_ms = at_ms - sent_ms
    if took_ms >= -1000 then
      add(group.times, #TIMED * shorter_than(took_ms) + timed, number)
    end
  end
end

-- Subtracts what the old record counted for and adds what the new one counts for. old is nil for
-- a message that is created, new for one that is deleted. Returns whether the message remains in
-- all of its indexes, so that `move` has nothing to do.
local function recount(old, new)
  local remains = old and new and stays(old, new)
  local from = old and group_of(old)
  local to = remains and from or new and group_of(new)
  if from then
    tally(from, old, -1)
  end
  if to then
    tally(to, new, 1)
  end
  local same = from == to and old[3] == new[3]
  for timed = 1, #TIMED do
    local field = TIMED[timed]
    if not same or old[field] ~= new[field] then
      if from then
        tally_time(from, timed, old[field], old[3], -1)
      end
      if to then
        tally_time(to, timed, new[field], new[3], 1)
      end
    end
  end
  return remains
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
    local latest_us, created_us = came[dimension][to], record[2]
    if not latest_us or tonumber(latest_us) < tonumber(created_us) then
      came[dimension][to] = created_us
    end
  end
end

-- Moves a message from the index entries of its old record to those of its new one; either may be
-- nil, as in `recount`. A repetition changes nothing.
local function move(id, old, new)
  for _, dimension in ipairs(DIMENSIONS) do
    local value_of, field = VALUE_OF[dimension.value], dimension.field
    local before = old and value_of(old[field]) or nil
    local after = new and value_of(new[field]) or nil
    if before ~= after then
      if before then
        call('ZREM', key_of('by', dimension.name, before), id)
      end
      if after then
        call('ZADD', key_of('by', dimension.name, after), new[2], id)
      end
      if dimension.listed then
        note_value(dimension.name, before, after, new)
      end
    end
  end
end

local function add_sums(total, group)
  for kind, sums in pairs(total) do
    for field, number in pairs(group[kind]) do
      add(sums, field, number)
    end
  end
end

-- What the groups add to the counters of each value, by the suffix of its keys. A value that only
-- one group has gets that group's own sums.
local function totals_of()
  local totals, joined = {}, {}
  for _, group in pairs(groups) do
    for _, suffix in ipairs(group.suffixes) do
      local total = totals[suffix]
      if not total then
        totals[suffix] = group
      else
        if not joined[suffix] then
          joined[suffix] = {count = {}, errors = {}, waits = {}, times = {}}
          add_sums(joined[suffix], total)
          totals[suffix] = joined[suffix]
        end
        add_sums(totals[suffix], group)
      end
    end
  end
  return totals
end

-- Adds sums to the fields of a hash; returns whether the hash is gone then. No number goes below
-- 0, even after a loss of keys; a field that comes to 0 is removed. A field that holds no number
-- begins anew. So nothing can fail but by a permission that was taken away a moment ago.
local function write_hash(key, sums)
  local removed = false
  for field, number in pairs(sums) do
    if number ~= 0 then
      local known, sum = pcall(call, 'HINCRBY', key, field, digits(number))
      if not known then
        local text = call('HGET', key, field)
        if text and #text <= 15 and string.match(text, '^-?%d+$') then
          error(sum)
        end
        redis.log(redis.LOG_WARNING, key .. ' held no number in ' .. field)
        sum = number
        call('HSET', key, field, digits(number))
      end
      if sum <= 0 then
        call('HDEL', key, field)
        removed = true
      end
    end
  end
  return removed and call('EXISTS', key) == 0
end

-- Whether a code may have a field of its own. A known code always may; another one may if it is a
-- number of few digits, as Meta's are, and there is room.
local function is_counted(text, room)
  return #text <= 6 and not string.find(text, '[^0-9]')
    and (room > 0 or string.find(' 0 190 1 2 3 10 200 201 202 203 204 205 206 207 208 209 210 211 212 213 214 215 216 217 218 219 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 259 260 261 262 263 264 265 266 267 268 269 270 271 272 273 274 275 276 277 278 279 280 281 282 283 284 285 286 287 288 289 290 291 292 293 294 295 296 297 298 299 131005 4 80007 33 100 131008 131009 368 131031 130403 130429 130472 130497 131000 131016 133004 131020 131021 131026 131030 131037 131041 131042 131044 131045 133010 131047 131048 131049 131050 131051 131052 131053 131055 134100 134102 132018 134101 131056 131057 131061 131062 131063 131064 131065 131207 131208 132000 132005 132008 132012 132001 132007 132015 132016 132068 132069 133000 133005 133006 133008 133009 133015 133016 134011 135000 137000 ', ' ' .. text .. ' ', 1, true) ~= nil)
end

-- The sums of a hash's fields, with the error codes put into fields. A code without a field of its
-- own counts as 'other'. So a code's field never counts more messages than have the code, and a
-- subtraction comes from its field first, and then from 'other'.
local function with_errors(key, sums, errors)
  local all, other = {}, 'error:' .. 'other'
  for field, number in pairs(sums) do
    all[field] = number
  end
  local room = 200 - call('HLEN', key)
  for code, number in pairs(errors) do
    local field = 'error:' .. code
    local known = number ~= 0 and call('HGET', key, field)
    if number < 0 then
      local own = math.max(number, -math.max(0, tonumber(known or 0) or 0))
      add(all, field, own)
      add(all, other, number - own)
    elseif number > 0 and is_counted(code, known and 1 or room) then
      add(all, field, number)
      room = known and room or room - 1
    else
      add(all, other, number)
    end
  end
  return all
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

-- `times` holds 32-bit numbers one after the other. Returns where the numbers that change begin, in
-- bytes, and their text after sums are added at their positions; nil if nothing changes. No number
-- goes below 0. BITFIELD does that too, but dearer where a batch changes dozens of them.
local function times_after(key, sums)
  local first, last = math.huge, 0
  for place in pairs(sums) do
    first = place < first and place or first
    last = place > last and place or last
  end
  if last == 0 then
    return nil
  end
  -- Only as much of the text as changes: of many values in a batch each may have but one number.
  local start, size = 4 * first - 4, 4 * (last - first + 1)
  local text = call('GETRANGE', key, digits(start), digits(start + size - 1))
  if #text < size then
    text = text .. string.rep('\0', size - #text)
  end
  local bytes = {string.byte(text, 1, -1)}
  for place, number in pairs(sums) do
    local at = 4 * (place - first + 1)
    local before = at - 4
    while number ~= 0 and at > before do
      local sum = bytes[at] + number
      bytes[at], number, at = sum % 256, math.floor(sum / 256), at - 1
    end
    if number < 0 then
      bytes[at + 1], bytes[at + 2], bytes[at + 3], bytes[at + 4] = 0, 0, 0, 0
    end
  end
  return digits(start), string.char(unpack(bytes))
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

-- Tells those who follow the feed which messages changed or went.
local function publish(ids)
  for start = 1, #ids, 16 do
    local some = table.concat(ids, '', start, math.min(start + 16 - 1, #ids))
    call('XADD', tag .. ':feed', 'MAXLEN', '~', '10000', '*', 'ids', some)
  end
end

-- What the batch writes to the counters of each value: the keys, the sums, and where the text of
-- times changes and to what. All keys are read now, so that one of another type stops the batch
-- before its first write: a script that fails later isn't rolled back.
local function read_counters()
  local counters = {}
  for suffix, total in pairs(totals_of()) do
    local count, waits, times = tag .. ':count' .. suffix, tag .. ':waits' .. suffix,
      tag .. ':times' .. suffix
    local sums, spans = total.count, false
    if next(total.errors) then
      sums = with_errors(count, sums, total.errors)
    else
      call('HLEN', count)
    end
    if next(total.waits) then
      spans = spans_of(total.waits)
      call('HLEN', waits)
    end
    counters[#counters + 1] = {count, waits, times, sums, spans, times_after(times, total.times)}
  end
  return counters
end

-- Writes what `read_counters` found; see `write_hash` for what can still fail.
local function write_counters(counters)
  for _, each in ipairs(counters) do
    local count, waits, times, sums, spans, start, text = unpack(each)
    if text then
      call('SETRANGE', times, start, text)
    end
    if spans then
      write_hash(waits, spans)
    end
    if write_hash(count, sums) then
      call('DEL', waits, times) -- no message is left that counts
    end
  end
end
-- Removes messages: records, index entries and counters in one step. Repeating it changes nothing.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :by:<dimension>[:<value>]  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]  :values:<dimension>
--          and writes  :gone:<id>  :feed
-- ARGV[1]  JSON {"messages": [[id, crc16], …], "dimension": "event", "value": "", "recipient_id":
--          "", "before_us": "", "gone_s": 0}: 1 to 50 messages, each once, with the CRC16 of its
--          wamid as text. Only those go that are in that dimension's index for the value, have
--          exactly that recipient_id ('' for any) and were created before before_us (µs as text,
--          '' for any): they may have changed since they were looked for. gone_s: how long, in
--          seconds, reports must not bring them back; 0: they may.
-- Returns  how many were there and went, as an integer. An entry of that index whose record is lost
--          goes too, and counts.
-- Cost     O(log N) a message and index; about 30 µs a message.

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
    and (asked.recipient_id == '' or record[13] == asked.recipient_id)
    and (not before_us or tonumber(record[2]) < before_us)
end

local sizes = {}

local function read(key)
  sizes[key] = sizes[key] or call('ZCARD', key)
end

-- Reads all that `move` and `write_values` write to: a key of another kind stops the script here.
-- Later it would leave a record that is in no index, and nobody could find it to erase it.
local function read_indexes(record)
  for _, dimension in ipairs(DIMENSIONS) do
    local value = VALUE_OF[dimension.value](record[dimension.field])
    if value then
      read(key_of('by', dimension.name, value))
      if dimension.listed then
        read(key_of('values', dimension.name, ''))
      end
    end
  end
end

local keys, doomed, going, lost = {}, {}, {}, {}
for i, message in ipairs(asked.messages) do
  keys[i] = tag .. ':msg:' .. message[1]
end
for i, packed in ipairs(call('MGET', unpack(keys))) do
  local record = packed and unpacked(packed)
  local id, crc16 = unpack(asked.messages[i])
  if not record then
    lost[#lost + 1] = id
  elseif is_meant(record) then
    read_indexes(record)
    recount(record, nil)
    going[#going + 1] = id
    doomed[#doomed + 1] = {id = id, crc16 = crc16, key = keys[i], record = record}
  end
end
local counters = read_counters()

-- The writes begin here, in the same order as in merge.lua.
for _, each in ipairs(doomed) do
  move(each.id, each.record, nil)
end
write_values()
publish(going)
write_counters(counters)
for _, each in ipairs(doomed) do
  if asked.gone_s > 0 then
    call('SET', tag .. ':gone:' .. each.id, each.crc16, 'EX', digits(asked.gone_s))
  end
  call('DEL', each.key)
end
local entries = 0
for _, id in ipairs(lost) do
  entries = entries + call('ZREM', key_of('by', asked.dimension, asked.value), id)
end
return #doomed + entries
