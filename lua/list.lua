-- Pages of the messages that match some filters, newest first.
--
-- KEYS[1]  the partition's tag. Reads behind it  :by:<dimension>[:<value>]  :msg:<id>
-- ARGV[1]  JSON {"most_us": 1500, "queries": [{"filters": [[dimension, value], …], "status": "",
--          "heads": "", "codes": [], "but_codes": [], "has": [], "lacks": [], "since_us": "",
--          "limit": 50, "peek": true, "dated": false, "after_us": "", "after_id": ""}, …]}. All
--          queries together scan as many index entries as take about most_us; each scans at least
--          one.
--          filters: at least one; a message must match all; value '' for a dimension with a single
--          index. status: '' for any. heads: the digits that may stand before the last eight of a
--          recipient's number, each between commas; '' for any. codes: any of these error codes;
--          [] for all. but_codes: none of these. has and lacks: fields of the hash that must be
--          given, and fields that must not. since_us: messages created then or later; '' for all.
--          limit: messages wanted. peek: whether to scan on from there to the next match, so that
--          nothing follows if there is none. dated: whether created_us is wanted of each match;
--          Redis 7.0 takes 0.6 µs to write it as text. after_us and after_id: the position to start
--          behind; '' at the newest. Times are µs as texts.
-- Returns  for each query, in order: created_us and id of the entry to go on behind, both '' if no
--          entry follows; the ids of the matching messages; and their created_us if it is dated.
--          The service reads their records outside of Lua, which takes half the time. They may
--          have changed by then, so it tests them once more.
-- Cost     O(log N) a query, and O(1) an entry of the smallest index among its filters. In a large
--          store a query takes about 25 µs and an entry 1 µs; further 1.5 µs for each other index
--          that it looks the entry up in, 1.5 µs if it reads the record, and 0.7 µs for each field
--          of the record.

local CHUNK = 100

-- The costs above, in µs, rounded up.
local QUERY_US, ENTRY_US, INDEX_US, RECORD_US, FIELD_US = 25, 1, 2, 2, 1

local asked = cjson.decode(ARGV[1])

-- Returns how many entries of an index were created at since_us or later.
local function count_since(index, since_us)
  return call('ZCOUNT', index, since_us, '+inf')
end

-- Returns the smallest of the filters' indexes, its size, and the other indexes.
local function smallest_index(query)
  local smallest, size, others = nil, nil, {}
  for _, filter in ipairs(query.filters) do
    local key = key_of('by', filter[1], filter[2])
    local entries = call('ZCARD', key)
    if not smallest or entries < size then
      others[#others + 1] = smallest
      smallest, size = key, entries
    else
      others[#others + 1] = key
    end
  end
  return smallest, size, others
end

local function set_of(texts)
  local set = {}
  for _, text in ipairs(texts) do
    set[text] = true
  end
  return set
end

-- Returns a test whether a text is one of the numbers that a query's filter by recipient means. It
-- remembers its answers: to search the heads takes about 2 µs, and all messages of a person have
-- the same few numbers.
local function number_test(query)
  local ending
  for _, filter in ipairs(query.filters) do
    ending = filter[1] == 'recipient' and filter[2] or ending
  end
  local known = {[false] = false}
  return function(text)
    if known[text] == nil then
      local head = ',' .. string.sub(text, 1, -1 - ENDING_DIGITS) .. ','
      known[text] = string.sub(text, -ENDING_DIGITS) == ending
        and string.find(query.heads, head, 1, true) ~= nil
    end
    return known[text]
  end
end

-- Returns the fields of a record that a query asks about, and the tests of them, each with the
-- places of its first and its last field. A record passes a test if one of these fields does. The
-- test gets false for a field that isn't there.
local function record_tests(query)
  local fields, tests = {}, {}
  local function add_test(field, test)
    fields[#fields + 1] = field
    tests[#tests + 1] = {test, #fields, #fields}
  end
  if query.status ~= '' then
    add_test('status', function(text) return text == query.status end)
  end
  if query.heads ~= '' then
    local first = #fields + 1
    for _, row in ipairs(rows_of('recipient')) do
      fields[#fields + 1] = row.field
    end
    tests[#tests + 1] = {number_test(query), first, #fields}
  end
  if #query.codes > 0 then
    local codes = set_of(query.codes)
    add_test('error_code', function(text) return codes[text or ''] end)
  end
  if #query.but_codes > 0 then
    local codes = set_of(query.but_codes)
    add_test('error_code', function(text) return not codes[text or ''] end)
  end
  for _, field in ipairs(query.has) do
    add_test(field, function(text) return text end)
  end
  for _, field in ipairs(query.lacks) do
    add_test(field, function(text) return not text end)
  end
  return fields, tests
end

local function passes(id, fields, tests)
  local texts = call('HMGET', tag .. ':msg:' .. id, unpack(fields))
  for _, each in ipairs(tests) do
    local test, field, last = each[1], each[2], each[3]
    while not test(texts[field]) do
      if field == last then
        return false
      end
      field = field + 1
    end
  end
  return true
end

-- Returns whether a message is in the other indexes too, and its record passes the tests.
local function matches(id, others, fields, tests)
  for _, index in ipairs(others) do
    if not call('ZSCORE', index, id) then
      return false
    end
  end
  return #fields == 0 or passes(id, fields, tests)
end

-- Returns about how long one entry takes, in µs.
local function entry_us(others, fields)
  local us = ENTRY_US + INDEX_US * #others
  if #fields > 0 then
    us = us + RECORD_US + FIELD_US * #fields
  end
  return us
end

-- Returns the ids at some ranks of an index, newest first; if the query is dated, each is followed
-- by its created_us.
local function entries_at(index, first_rank, last_rank, dated)
  if dated then
    return call('ZREVRANGE', index, first_rank, last_rank, 'WITHSCORES')
  end
  return call('ZREVRANGE', index, first_rank, last_rank)
end

-- Scans an index from a rank on, newest first, until it has all matches that are wanted or comes to
-- end_rank. Returns the ids of the matches; their created_us if the query is dated; the rank to go
-- on from, and the id of the entry before it.
local function scan(index, rank, end_rank, query, others, fields, tests)
  local tested = #others > 0 or #fields > 0
  -- Where nothing is tested every entry matches, so a chunk needs no more than are wanted, and the
  -- next one needn't be looked at.
  local chunk, peek = tested and CHUNK or query.limit, query.peek and tested
  local ids, times, last_id = {}, {}, nil
  while rank < end_rank and (#ids < query.limit or peek) do
    local last_rank = math.min(rank + chunk, end_rank) - 1
    local entries = entries_at(index, rank, last_rank, query.dated)
    for i = 1, #entries, query.dated and 2 or 1 do
      if matches(entries[i], others, fields, tests) then
        if #ids == query.limit then
          return ids, times, rank, last_id
        end
        ids[#ids + 1] = entries[i]
        times[#times + 1] = query.dated and entries[i + 1] or nil
      end
      rank, last_id = rank + 1, entries[i]
      if #ids == query.limit and not peek then
        -- The rest of the chunk may match too. For example, with limit 2, and a chunk in which the
        -- entries 1, 3 and 7 match, it stops behind entry 3, not behind the chunk.
        break
      end
    end
  end
  return ids, times, rank, last_id
end

-- Runs a query for about room_us at most. Returns its part of the reply, and about how long that
-- took, in µs.
local function page(query, room_us)
  local since_us, first = query.since_us, query.filters[1]
  -- Nearly always no message is that new. So the filter that leaves the fewest comes first.
  if since_us ~= '' and count_since(key_of('by', first[1], first[2]), since_us) == 0 then
    return {'', '', {}, {}}, QUERY_US
  end
  local index, size, others = smallest_index(query)
  if since_us ~= '' then
    size = count_since(index, since_us)
  end
  local fields, tests = record_tests(query)
  local each_us = entry_us(others, fields)
  local most_entries = math.max(1, math.floor((room_us - QUERY_US) / each_us))
  local first_rank = start_rank(index, query.after_us, query.after_id)
  local ids, times, rank, last_id = scan(index, first_rank,
    math.min(size, first_rank + most_entries), query, others, fields, tests)

  local took_us = QUERY_US + each_us * (rank - first_rank)
  if rank < size then
    return {call('ZSCORE', index, last_id), last_id, ids, times}, took_us
  end
  return {'', '', ids, times}, took_us
end

-- A query that takes less than its share of the time leaves the rest to those behind it.
local replies, room_us = {}, asked.most_us
for i, query in ipairs(asked.queries) do
  local took_us
  replies[i], took_us = page(query, room_us / (#asked.queries + 1 - i))
  room_us = room_us - took_us
end
return replies
