-- Pages of the messages that match some filters, newest first.
--
-- KEYS[1]  the partition's tag. Reads behind it  :by:<dimension>[:<value>]  :msg:<id>
-- ARGV[1]  JSON {"scan": 1000, "queries": [{"filters": [[dimension, value], …], "status": "",
--          "heads": "", "codes": [], "but_codes": [], "has": [], "lacks": [], "since_us": "",
--          "limit": 50, "after_us": "", "after_id": ""}, …]}: of each query at most scan index
--          entries are looked at and limit of them returned. At least one filter, all must hold,
--          value '' for a dimension of a single index; status '' for any; heads: what may stand
--          before the last eight digits of a recipient's number, each between commas, '' for
--          anything;
--          codes: any of these error codes, [] for all; but_codes: none of these; has and lacks:
--          fields of the hash that are given, and fields that are not; since_us: only messages
--          created then or later, '' for all; after_us and after_id: start behind this position, ''
--          at the newest. Times are µs as texts.
-- Returns  for each query, in order, a list: the position of the last entry looked at, as its
--          created_us and id, both '' when there is nothing more behind it; then the positions of
--          the messages found. Their records are read outside of Lua, which is cheaper by half. By
--          then they may have changed, so they have to be tested once more.
-- Cost     O(log N + scan) a query, of the smallest index among its filters; a message found costs
--          about 0.3 µs, and one that fields of its record are looked at for about 1.5 µs.

local CHUNK = 100

local asked = cjson.decode(ARGV[1])

-- The smallest of the filters' indexes, its size, and the others.
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

local function in_all(indexes, id)
  for _, index in ipairs(indexes) do
    if not call('ZSCORE', index, id) then
      return false
    end
  end
  return true
end

local function set_of(texts)
  local set = {}
  for _, text in ipairs(texts) do
    set[text] = true
  end
  return set
end

-- Whether a text is one of the numbers that a query's filter by recipient means. Looking for a head
-- takes 2 µs or so, and a person's messages all have the same few numbers.
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

-- What a query asks of records: some of their fields, and tests. A record must pass all: one of its
-- fields from the test's first to its last does. A test gets false for a field that isn't there.
local function sieve_of(query)
  local fields, tests = {}, {}
  local function must(field, test)
    fields[#fields + 1] = field
    tests[#tests + 1] = {test, #fields, #fields}
  end
  if query.status ~= '' then
    must('status', function(text) return text == query.status end)
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
    must('error_code', function(text) return codes[text or ''] end)
  end
  if #query.but_codes > 0 then
    local codes = set_of(query.but_codes)
    must('error_code', function(text) return not codes[text or ''] end)
  end
  for _, field in ipairs(query.has) do
    must(field, function(text) return text end)
  end
  for _, field in ipairs(query.lacks) do
    must(field, function(text) return not text end)
  end
  return fields, tests
end

local function passes(id, fields, tests)
  local texts = call('HMGET', tag .. ':msg:' .. id, unpack(fields))
  for _, each in ipairs(tests) do
    local test, place, last = each[1], each[2], each[3]
    while not test(texts[place]) do
      if place == last then
        return false
      end
      place = place + 1
    end
  end
  return true
end

-- How many entries of an index were created then or later.
local function number_since(index, since_us)
  return call('ZCOUNT', index, since_us, '+inf')
end

local function page(query)
  local since_us, first = query.since_us, query.filters[1]
  if since_us ~= '' and number_since(key_of('by', first[1], first[2]), since_us) == 0 then
    return {'', ''} -- as nearly always: so the filter that leaves the fewest comes first
  end
  local index, size, others = smallest_index(query)
  if since_us ~= '' then
    size = number_since(index, since_us)
  end
  local fields, tests = sieve_of(query)
  local chunk = #others + #fields > 0 and CHUNK or query.limit
  local rank, looked_at = start_rank(index, query.after_us, query.after_id), 0
  local reply, found, last, last_us = {'', ''}, 0, nil, nil

  while rank + looked_at < size and looked_at < asked.scan and found < query.limit do
    local stop = math.min(rank + looked_at + chunk, size) - 1
    local entries = call('ZREVRANGE', index, rank + looked_at, stop, 'WITHSCORES')
    for i = 1, #entries, 2 do
      last, last_us = entries[i], entries[i + 1]
      looked_at = looked_at + 1
      if in_all(others, last) and (#fields == 0 or passes(last, fields, tests)) then
        found = found + 1
        reply[2 * found + 1], reply[2 * found + 2] = last_us, last
        if found == query.limit then
          break
        end
      end
    end
  end

  if rank + looked_at < size then
    reply[1], reply[2] = last_us, last
  end
  return reply
end

local replies = {}
for place, query in ipairs(asked.queries) do
  replies[place] = page(query)
end
return replies
