-- Stands between the prelude and the scripts that write messages. It enters a message into its
-- indexes and counters, and removes it from them. Their keys, behind the partition's tag:
-- :by:<dimension>[:<value>]  :count:<dimension>[:<value>]  :times:<dimension>[:<value>]
-- :waits:<dimension>[:<value>]  :values:<dimension>
--
-- For example, a batch has two reports. The first says that a message of event 5 was delivered. The
-- second says that a message without a record was sent. The store has
--   {wa:0}:msg:A     status sent, wamid wamid.A, event 5, …, sent_ms 1700000000000, …
--   {wa:0}:by:event:5           A with its created_us; so in by:all and its other indexes
--   {wa:0}:values:event         5 with the created_us of its latest message
--   {wa:0}:count:event:5        sent 1; so in count:all
--   {wa:0}:waits:event:5        1700000 1, 17000 1: only sent so far, by when they were sent
-- and the batch is
--   KEYS  {wa:0}
--   ARGV  [["A", "B"],
--          [["wamid.A", "delivered", 1700000003000, 1700000003250000, "", "", "", "", "", [], []],
--           ["wamid.B", "sent", 1700000002000, 1700000003250001, "919876543210", …, [], []]]]
-- The script reads and works out everything before it writes anything. Then it writes, in this
-- order,
--   index entries of B: ZADD {wa:0}:by:recipient:9876543210 1700000003250001 B, and the same to
--     by:standalone and by:all. A stays in its indexes
--   the feed: XADD {wa:0}:feed … ids AB
--   counters: for A, of event 5 and of all messages: delivered + 1, sent - 1, waits - 1, and the
--     number in times for "delivered after 3 s" + 1. For B, of all messages alone: sent + 1 and
--     waits + 1
--   records: HSET {wa:0}:msg:A status delivered delivered_ms 1700000003000
--     delivered_received_ms 1700000003250, and all fields of B
-- The answer is {'delivered', 'changed', 'sent', 'created'}. The same batch again changes nothing,
-- because the records show that its reports are merged.
--
-- `times` is a text that holds a latency histogram for each status in TIMED. Its numbers have 32
-- bits each, the highest byte first. The statuses take turns within a bucket:
--   bucket         1st             2nd            …
--   status     delivered  read  delivered  read   …
--   position       1       2        3       4     …     4 bytes each: 0-3, 4-7, 8-11, 12-15, …

-- Returns a hash as a table by its fields. From a map of RESP3 Redis makes that table in C, which
-- takes a sixth less of the processor for a repeated status. fakeredis has no RESP3.
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

-- Returns the stored record of a message, its fields by their names; nil if there is none. A key of
-- another type stops the script here, before its first write, and so does a hash that is no record.
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

-- The counter changes of this batch. Messages that have the same values in all counted dimensions
-- share a group, as the messages of one send do. A group holds the set of the suffixes of these
-- values' keys, such as ':event:5', and the sums to add: to the fields of `count`, to error codes,
-- to the age buckets of `waits`, and to the numbers in `times`, by their positions.
local groups = {}

local function group_of(record)
  local name = group_key(record)
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

-- Returns the last stage that a message reached before it failed; nil if none was reported.
local function stage_reached(record)
  for i = #REACHED, 1, -1 do
    if record[TIME_OF[REACHED[i]]] then
      return REACHED[i]
    end
  end
end

-- Adds `number`, 1 or -1, to the status counters that a message with this record belongs to.
local function count_message(group, record, number)
  local count, status = group.count, record.status
  count[status] = (count[status] or 0) + number
  if status == 'failed' then
    local stage = stage_reached(record)
    if stage then
      add(count, 'failed:' .. stage, number)
    end
    if record.error_code then
      add(group.errors, record.error_code, number)
    end
  elseif status == 'sent' and record.sent_ms then
    add(group.waits, string.sub(record.sent_ms, 1, -1 - AGE_BUCKET_DIGITS[1]), number)
  end
end

local LOG_GROWTH = math.log(GROWTH)

-- Returns the bucket of the latency histogram for a duration, the first is 0: so many bounds of
-- statistics.LATENCY_BUCKETS_S are shorter.
local function bucket_of(took_ms)
  -- Below EXACT_S the bounds are a second apart. (% takes less time than a call of math.floor.)
  local whole_s = (took_ms - 1 - (took_ms - 1) % 1000) / 1000
  if whole_s < EXACT_S then
    return whole_s < 0 and 0 or whole_s
  elseif whole_s >= LONGEST_S then
    return BOUNDS
  end
  -- Beyond it, a bound is EXACT_S * GROWTH^n, rounded up to a whole second.
  local steps = math.log(whole_s / EXACT_S) / LOG_GROWTH
  return EXACT_S + steps - steps % 1
end

-- Adds `number`, 1 or -1, to the histogram of the status TIMED[timed].
local function count_duration(group, timed, at_ms, sent_ms, number)
  if at_ms and sent_ms then
    -- The subtraction turns the texts into numbers. (tonumber reads a text twice.)
    local took_ms = at_ms - sent_ms
    if took_ms >= -TOLERANCE_MS then
      add(group.times, #TIMED * bucket_of(took_ms) + timed, number)
    end
  end
end

-- Notes the counter changes of one message: it subtracts what the old record counted for and adds
-- what the new one counts for. `old` is nil for a message that is created, `new` for one that is
-- deleted. Returns whether the message keeps all of its index entries, so that `reindex` has
-- nothing to do.
local function update_counters(old, new)
  local unmoved = old and new and same_indexes(old, new)
  local from = old and group_of(old)
  local to = unmoved and from or new and group_of(new)
  if from then
    count_message(from, old, -1)
  end
  if to then
    count_message(to, new, 1)
  end
  local same = from == to and old.sent_ms == new.sent_ms
  for timed = 1, #TIMED do
    local field = TIMED[timed]
    if not same or old[field] ~= new[field] then
      if from then
        count_duration(from, timed, old[field], old.sent_ms, -1)
      end
      if to then
        count_duration(to, timed, new[field], new.sent_ms, 1)
      end
    end
  end
  return unmoved
end

-- For each listed dimension: the values that messages of this batch gained, with the created_us of
-- the latest of these messages, and the set of the values that messages lost.
local values_gained, values_lost = {}, {}

local function note_value(dimension, from, to, record)
  values_gained[dimension] = values_gained[dimension] or {}
  values_lost[dimension] = values_lost[dimension] or {}
  if from then
    values_lost[dimension][from] = true
  end
  if to then
    local latest_us, created_us = values_gained[dimension][to], record.created_us
    if not latest_us or tonumber(latest_us) < tonumber(created_us) then
      values_gained[dimension][to] = created_us
    end
  end
end

-- Moves a message from the index entries of its old record to those of its new one. Either may be
-- nil, as in `update_counters`. Repeating it changes nothing.
local function reindex(id, old, new)
  for _, dimension in ipairs(DIMENSIONS) do
    local value_of, field = VALUE_OF[dimension.value], dimension.field
    local before = old and value_of(old[field]) or nil
    local after = new and value_of(new[field]) or nil
    if before ~= after then
      local name = dimension.name
      -- A dimension of several fields has a row for each. A value that one field has lost may still
      -- be in another.
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

-- Returns what all groups together add to the counters of each value, by the suffix of its keys.
-- If only one group has a value, the sums are that group's own table.
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

-- Reads a hash and adds sums to its numbers. Returns the fields to set, each followed by its text,
-- and the fields to delete: those whose number comes to 0. No number goes below 0, even after a
-- loss of keys. A text that is no number counts as 0, and Redis' log says so. A key of another type
-- stops the script here.
local function hash_update(key, sums)
  local fields, to_set, to_delete, count = {}, {}, {}, 0
  for field, number in pairs(sums) do
    if number ~= 0 then
      count = count + 1
      fields[count] = field
    end
  end
  if count == 0 then
    call('HLEN', key) -- only to find out whether it is a hash
  end
  for first = 1, count, 500 do
    local texts = call('HMGET', key, unpack(fields, first, math.min(first + 499, count)))
    for i = 1, #texts do
      local field, text = fields[first + i - 1], texts[i]
      local known = text and #text <= 15 and tonumber(text) or 0
      if known % 1 ~= 0 or (text and known == 0) then
        redis.log(redis.LOG_WARNING, key .. ' held no number in ' .. field)
        known = 0
      end
      local sum = known + sums[field]
      if sum > 0 then
        to_set[#to_set + 1], to_set[#to_set + 2] = field, digits(sum)
      elseif text then
        to_delete[#to_delete + 1] = field
      end
    end
  end
  return to_set, to_delete
end

-- Writes what `hash_update` returned. Returns whether the hash has no field left.
local function write_hash(key, to_set, to_delete)
  for first = 1, #to_set, 500 do
    call('HSET', key, unpack(to_set, first, math.min(first + 499, #to_set)))
  end
  for first = 1, #to_delete, 500 do
    call('HDEL', key, unpack(to_delete, first, math.min(first + 499, #to_delete)))
  end
  return #to_delete > 0 and #to_set == 0 and call('EXISTS', key) == 0
end

-- Returns whether an error code may have a field of its own. A code in meta_errors.toml always may.
-- Another one may if it is a number of few digits, as Meta's are, and if a field is free.
local function is_counted(text, free)
  return #text <= LONGEST_CODE and not string.find(text, '[^0-9]')
    and (free > 0 or string.find(KNOWN_CODES, ' ' .. text .. ' ', 1, true) ~= nil)
end

-- Returns the sums to add to a hash, with the error codes as its fields. A code without a field of
-- its own counts as OTHER_CODE. So a code's field never counts more messages than have the code; a
-- subtraction comes from the code's field first, and the rest of it from OTHER_CODE.
local function with_errors(key, sums, errors)
  local all, other = {}, 'error:' .. OTHER_CODE
  for field, number in pairs(sums) do
    all[field] = number
  end
  local free = MOST_CODES - call('HLEN', key)
  for code, number in pairs(errors) do
    local field = 'error:' .. code
    local known = number ~= 0 and call('HGET', key, field)
    if number < 0 then
      local own = math.max(number, -math.max(0, tonumber(known or 0) or 0))
      add(all, field, own)
      add(all, other, number - own)
    elseif number > 0 and is_counted(code, known and 1 or free) then
      add(all, field, number)
      free = known and free or free - 1
    else
      add(all, other, number)
    end
  end
  return all
end

-- Returns the sums for the age buckets of every size. A group counts the smallest buckets alone; a
-- larger one is named by the first digits of the smaller ones in it.
local function bucket_sums(waits)
  local sums = {}
  for bucket, number in pairs(waits) do
    for _, digits_cut in ipairs(AGE_BUCKET_DIGITS) do
      add(sums, string.sub(bucket, 1, AGE_BUCKET_DIGITS[1] - digits_cut - 1), number)
    end
  end
  return sums
end

-- Adds an integer to the 32-bit number in bytes[first] to bytes[first + 3]. The result is 0 if the
-- sum is below 0.
local function add_u32(bytes, first, number)
  local carry = number
  for i = first + 3, first, -1 do
    local sum = bytes[i] + carry
    bytes[i] = sum % 256
    carry = (sum - bytes[i]) / 256 -- below 0 where the next byte lends
    if carry == 0 then
      return
    end
  end
  if carry < 0 then
    bytes[first], bytes[first + 1], bytes[first + 2], bytes[first + 3] = 0, 0, 0, 0
  end
end

-- Reads the text of `times` and adds sums to its numbers, by their positions. Returns the offset of
-- the part that changes, in bytes, and that part's new text; nil if nothing changes. BITFIELD could
-- do this, but takes longer where a batch changes dozens of numbers.
local function times_update(key, sums)
  local first, last = math.huge, 0
  for position in pairs(sums) do
    first = position < first and position or first
    last = position > last and position or last
  end
  if last == 0 then
    return nil
  end
  -- It reads no more than what changes: a batch may have many values with one number each.
  local offset, size = 4 * (first - 1), 4 * (last - first + 1)
  local text = call('GETRANGE', key, digits(offset), digits(offset + size - 1))
  if #text < size then
    text = text .. string.rep('\0', size - #text)
  end
  local bytes = {string.byte(text, 1, -1)}
  for position, number in pairs(sums) do
    add_u32(bytes, 4 * (position - first) + 1, number)
  end
  return digits(offset), string.char(unpack(bytes))
end

-- Brings the lists of values up to date with the index entries that `reindex` has written.
local function write_values()
  for dimension, values in pairs(values_gained) do
    local key = key_of('values', dimension, '')
    for value, created_us in pairs(values) do
      call('ZADD', key, 'GT', created_us, value)
    end
    for value in pairs(values_lost[dimension]) do
      local latest = call('ZREVRANGE', key_of('by', dimension, value), 0, 0, 'WITHSCORES')
      if latest[2] then
        call('ZADD', key, digits(tonumber(latest[2])), value)
      else
        call('ZREM', key, value)
      end
    end
  end
end

-- Writes to the feed which messages were changed or deleted.
local function publish(ids)
  for first = 1, #ids, FEED_IDS do
    local joined = table.concat(ids, '', first, math.min(first + FEED_IDS - 1, #ids))
    call('XADD', tag .. ':feed', 'MAXLEN', '~', FEED_ENTRIES, '*', 'ids', joined)
  end
end

-- Stops the script before its first write while the command `upgrade` runs: that command keeps a
-- text where the counters of all messages are. A merge that changes something needs no call of
-- this, since `read_counters` reads those counters: every message is in the dimension `all`.
local function refuse_while_upgraded()
  call('HLEN', key_of('count', 'all', ''))
end

-- Returns what the batch writes to the counters of each value: their keys, and what `hash_update`
-- and `times_update` returned for them. It reads all of these keys, so that a key of another type
-- stops the batch before its first write: Redis doesn't roll a script back that fails later.
local function read_counters()
  local counters = {}
  for suffix, total in pairs(totals_of()) do
    local each = {count = tag .. ':count' .. suffix, waits = tag .. ':waits' .. suffix,
      times = tag .. ':times' .. suffix}
    local sums = total.count
    if next(total.errors) then
      sums = with_errors(each.count, sums, total.errors)
    end
    each.count_set, each.count_deleted = hash_update(each.count, sums)
    if next(total.waits) then
      each.waits_set, each.waits_deleted = hash_update(each.waits, bucket_sums(total.waits))
    end
    each.times_offset, each.times_text = times_update(each.times, total.times)
    counters[#counters + 1] = each
  end
  return counters
end

-- Writes what `read_counters` returned.
local function write_counters(counters)
  for _, each in ipairs(counters) do
    if each.times_text then
      call('SETRANGE', each.times, each.times_offset, each.times_text)
    end
    if each.waits_set then
      write_hash(each.waits, each.waits_set, each.waits_deleted)
    end
    if write_hash(each.count, each.count_set, each.count_deleted) then
      call('DEL', each.waits, each.times) -- the value has no message any more
    end
  end
end
