-- Stands between the prelude and the scripts that write messages: how a message enters and leaves
-- its indexes and counters, behind the partition's tag  :by:<dimension>[:<value>]
-- :count:<dimension>[:<value>]  :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]
-- :values:<dimension>
--
-- For example, a batch of two reports says that a message of event 5 was delivered, and that one
-- that nobody knew was sent. There are
--   {wa:0}:msg:A     status sent, wamid wamid.A, event 5, …, sent_ms 1700000000000, …
--   {wa:0}:by:event:5           A with its created_us; so in by:all and its other indexes
--   {wa:0}:values:event         5 with the created_us of its latest message
--   {wa:0}:count:event:5        sent 1; so in count:all
--   {wa:0}:waits:event:5        1700000 1, 17000 1: sent and silent, by when they were sent
-- and the batch is
--   KEYS  {wa:0}
--   ARGV  [["A", "B"],
--          [["wamid.A", "delivered", 1700000003000, 1700000003250000, "", "", "", "", "", [], []],
--           ["wamid.B", "sent", 1700000002000, 1700000003250001, "919876543210", …, [], []]]]
-- All is read and worked out before anything is written. Then are written, in this order,
--   index entries of B: ZADD {wa:0}:by:recipient:9876543210 1700000003250001 B, and the same to
--     by:standalone and by:all. A stays in its indexes
--   the feed: XADD {wa:0}:feed … ids AB
--   counters: of event 5 and of all together, delivered + 1 for A and sent - 1; the third number of
--     times, since A was delivered after 3 s; waits - 1. For B sent + 1 and waits + 1, of all alone
--   records: HSET {wa:0}:msg:A status delivered delivered_ms 1700000003000
--     delivered_received_ms 1700000003250, and all fields of B
-- The answer is {'delivered', 'changed', 'sent', 'created'}. The same batch again changes nothing:
-- the records say so.

-- A hash as a table by its fields. Redis makes it of a map of RESP3, in C, which costs a sixth less
-- of the processor for a status that is known already; fakeredis has no RESP3.
local hash_at = redis.setresp and function(key)
  redis.setresp(3)
  local hash = call('HGETALL', key).map
  redis.setresp(2)
  return hash
end or function(key)
  local hash, flat = {}, call('HGETALL', key)
  for i = 1, #flat, 2 do
    hash[flat[i]] = flat[i + 1]
  end
  return hash
end

-- The stored record of a message, its fields by their names; nil if there is none. A key of another
-- type stops the script here, before its first write, and so does a hash that is no record.
local function record_at(key)
  local record = hash_at(key)
  if not next(record) then
    return nil
  end
  if not (record.status and record.created_us) then
    error(key .. ' holds no record')
  end
  return record
end

-- Counter changes of this batch, grouped by the values of all counted dimensions, which the
-- messages of one send share. A group holds a set of the suffixes of these values' keys, such as
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
        group.suffixes[suffix_of(dimension.name, value)] = true
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
    if record[TIME_OF[REACHED[place]]] then
      return REACHED[place]
    end
  end
end

-- Adds `number`, 1 or -1, to every counter that a message with this record belongs to.
local function tally(group, record, number)
  local count, status = group.count, record.status
  count[status] = (count[status] or 0) + number
  if status == 'failed' then
    local reached = reached_by(record)
    if reached then
      add(count, 'failed:' .. reached, number)
    end
    if record.error_code then
      add(group.errors, record.error_code, number)
    end
  elseif status == 'sent' and record.sent_ms then
    add(group.waits, string.sub(record.sent_ms, 1, -1 - AGE_BUCKET_DIGITS[1]), number)
  end
end

local LOG_GROWTH = math.log(GROWTH)

-- How many of counters.LATENCY_BUCKETS_S are shorter.
local function shorter_than(took_ms)
  -- Below EXACT_S the bounds are a second apart; % in place of floor, which would be a call.
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
  if at_ms and sent_ms then
    -- Texts are read as their numbers here. (tonumber reads a text twice.)
    local took_ms = at_ms - sent_ms
    if took_ms >= -TOLERANCE_MS then
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
  local same = from == to and old.sent_ms == new.sent_ms
  for timed = 1, #TIMED do
    local field = TIMED[timed]
    if not same or old[field] ~= new[field] then
      if from then
        tally_time(from, timed, old[field], old.sent_ms, -1)
      end
      if to then
        tally_time(to, timed, new[field], new.sent_ms, 1)
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
    local latest_us, created_us = came[dimension][to], record.created_us
    if not latest_us or tonumber(latest_us) < tonumber(created_us) then
      came[dimension][to] = created_us
    end
  end
end

-- Moves a message from the index entries of its old record to those of its new one; either may be
-- nil, as in `recount`. A repetition changes nothing. A dimension of several fields has a row for
-- each: what one of them takes away may be there by another.
local function move(id, old, new)
  for _, dimension in ipairs(DIMENSIONS) do
    local value_of, field = VALUE_OF[dimension.value], dimension.field
    local before = old and value_of(old[field]) or nil
    local after = new and value_of(new[field]) or nil
    if before ~= after then
      local name = dimension.name
      if before and not (new and dimension.further and has_value(rows_of(name), new, before)) then
        call('ZREM', key_of('by', name, before), id)
      end
      if after then
        call('ZADD', key_of('by', name, after), new.created_us, id)
      end
      if dimension.listed then
        note_value(name, before, after, new)
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
    for suffix in pairs(group.suffixes) do
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

-- What adding sums to a hash sets, a field and its text after the other, and which fields go then:
-- a number that comes to 0. None goes below it, even after a loss of keys. A text that is no number
-- counts as 0, and Redis' log says so. A key of another type stops the script here.
local function hash_after(key, sums)
  local fields, words, gone, count = {}, {}, {}, 0
  for field, number in pairs(sums) do
    if number ~= 0 then
      count = count + 1
      fields[count] = field
    end
  end
  if count == 0 then
    call('HLEN', key)
  end
  for first = 1, count, 500 do
    local texts = call('HMGET', key, unpack(fields, first, math.min(first + 499, count)))
    for place = 1, #texts do
      local field, text = fields[first + place - 1], texts[place]
      local known = text and #text <= 15 and tonumber(text) or 0
      if known % 1 ~= 0 or (text and known == 0) then
        redis.log(redis.LOG_WARNING, key .. ' held no number in ' .. field)
        known = 0
      end
      local sum = known + sums[field]
      if sum > 0 then
        words[#words + 1], words[#words + 2] = field, digits(sum)
      elseif text then
        gone[#gone + 1] = field
      end
    end
  end
  return words, gone
end

-- Writes what `hash_after` found; returns whether the hash is gone then.
local function write_hash(key, words, gone)
  for first = 1, #words, 500 do
    call('HSET', key, unpack(words, first, math.min(first + 499, #words)))
  end
  for first = 1, #gone, 500 do
    call('HDEL', key, unpack(gone, first, math.min(first + 499, #gone)))
  end
  return #gone > 0 and #words == 0 and call('EXISTS', key) == 0
end

-- Whether a code may have a field of its own. A known code always may; another one may if it is a
-- number of few digits, as Meta's are, and there is room.
local function is_counted(text, room)
  return #text <= LONGEST_CODE and not string.find(text, '[^0-9]')
    and (room > 0 or string.find(KNOWN_CODES, ' ' .. text .. ' ', 1, true) ~= nil)
end

-- The sums of a hash's fields, with the error codes put into fields. A code without a field of its
-- own counts as OTHER_CODE. So a code's field never counts more messages than have the code, and a
-- subtraction comes from its field first, and then from OTHER_CODE.
local function with_errors(key, sums, errors)
  local all, other = {}, 'error:' .. OTHER_CODE
  for field, number in pairs(sums) do
    all[field] = number
  end
  local room = MOST_CODES - call('HLEN', key)
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
    for _, digits_cut in ipairs(AGE_BUCKET_DIGITS) do
      add(sums, string.sub(span, 1, AGE_BUCKET_DIGITS[1] - digits_cut - 1), number)
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
  for start = 1, #ids, FEED_IDS do
    local some = table.concat(ids, '', start, math.min(start + FEED_IDS - 1, #ids))
    call('XADD', tag .. ':feed', 'MAXLEN', '~', FEED_ENTRIES, '*', 'ids', some)
  end
end

-- Stops the script before its first write while the command `upgrade` is at work: there is a text
-- then where the counters of all messages are. A merge that changes something reads them anyway, by
-- `read_counters`, as every message is in that dimension.
local function refuse_while_upgraded()
  call('HLEN', key_of('count', 'all', ''))
end

-- What the batch writes to the counters of each value: the keys, and what `hash_after` and
-- `times_after` say of them. All keys are read now, so that one of another type stops the batch
-- before its first write: a script that fails later isn't rolled back.
local function read_counters()
  local counters = {}
  for suffix, total in pairs(totals_of()) do
    local each = {count = tag .. ':count' .. suffix, waits = tag .. ':waits' .. suffix,
      times = tag .. ':times' .. suffix}
    local sums = total.count
    if next(total.errors) then
      sums = with_errors(each.count, sums, total.errors)
    end
    each.numbers, each.emptied = hash_after(each.count, sums)
    if next(total.waits) then
      each.spans, each.ended = hash_after(each.waits, spans_of(total.waits))
    end
    each.start, each.text = times_after(each.times, total.times)
    counters[#counters + 1] = each
  end
  return counters
end

-- Writes what `read_counters` found.
local function write_counters(counters)
  for _, each in ipairs(counters) do
    if each.text then
      call('SETRANGE', each.times, each.start, each.text)
    end
    if each.spans then
      write_hash(each.waits, each.spans, each.ended)
    end
    if write_hash(each.count, each.numbers, each.emptied) then
      call('DEL', each.waits, each.times) -- no message is left that counts
    end
  end
end
