-- Pages of the messages that match some filters, newest first.
--
-- KEYS[1]  the partition's tag. Reads behind it  :by:<dimension>[:<value>]  :msg:<id>
-- ARGV[1]  JSON {"scan": 1000, "queries": [{"filters": [[dimension, value], …], "status": "",
--          "heads": "", "codes": [], "but_codes": [], "has": [], "lacks": [], "since_us": "",
--          "limit": 50, "after_us": "", "after_id": ""}, …]}: of each query at most scan index
--          entries are looked at and limit rows returned. At least one filter, all must hold, value
--          '' for a dimension of a single index; status '' for any; heads: what may stand before
--          the last ten digits of the recipient, each between commas, '' for anything; codes: any
--          of these error codes, [] for all; but_codes: none of these; has and lacks: the places of
--          fields of the record that are given, and of fields that are not; since_us: only messages
--          created then or later, '' for all; after_us and after_id: start behind this position, ''
--          at the newest. Times are µs as texts.
-- Returns  for each query, in order, a list: the position of the last entry looked at, as its
--          created_us and id, both '' when there is nothing more behind it; then packed records.
-- Cost     O(log N + scan) a query, of the smallest index among its filters; reading a row costs
--          about 1 µs, passing over one that another filter rules out about 1 µs.

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

-- Whether the digits before the last ten of a number are one of the heads.
local function has_head(number, heads)
  return string.find(heads, ',' .. string.sub(number, 1, -11) .. ',', 1, true)
end

-- Whether all of these fields are given, or none is. A field that an old record lacks isn't given.
local function are_given(record, fields, wanted)
  for _, field in ipairs(fields) do
    if ((record[field] or '') ~= '') ~= wanted then
      return false
    end
  end
  return true
end

local function matches(packed, query, codes, but_codes)
  local head = query.status .. SEPARATOR
  if query.status ~= '' and string.sub(packed, 1, #head) ~= head then
    return false
  end
  if query.heads == '' and #query.codes + #query.but_codes + #query.has + #query.lacks == 0 then
    return true
  end
  local record = split(packed, SEPARATOR)
  return (query.heads == '' or has_head(record[RECIPIENT_ID], query.heads))
    and (#query.codes == 0 or codes[record[ERROR_CODE]])
    and not but_codes[record[ERROR_CODE]]
    and are_given(record, query.has, true)
    and are_given(record, query.lacks, false)
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
  local rank = start_rank(index, query.after_us, query.after_id)
  local sieved = #others > 0 or query.status ~= '' or query.heads ~= ''
    or #query.codes + #query.but_codes + #query.has + #query.lacks > 0
  local codes, but_codes = set_of(query.codes), set_of(query.but_codes)
  local chunk = sieved and CHUNK or query.limit
  local reply = {'', ''}
  local looked_at, last, final = 0, nil, nil

  while rank + looked_at < size and looked_at < asked.scan and #reply - 2 < query.limit do
    local stop = math.min(rank + looked_at + chunk, size) - 1
    local entries = call('ZREVRANGE', index, rank + looked_at, stop)
    local ids, keys = {}, {}
    for _, id in ipairs(entries) do
      if #others == 0 or in_all(others, id) then
        ids[#ids + 1] = id
        keys[#keys + 1] = tag .. ':msg:' .. id
      end
    end
    final = entries[#entries]
    last = final
    for i, packed in ipairs(#keys > 0 and call('MGET', unpack(keys)) or {}) do
      if packed and (not sieved or matches(packed, query, codes, but_codes)) then
        reply[#reply + 1] = packed
        if #reply - 2 == query.limit then
          last = ids[i]
          break
        end
      end
    end
    looked_at = looked_at + #entries
  end

  if rank + looked_at < size or last ~= final then
    reply[1], reply[2] = digits(tonumber(call('ZSCORE', index, last))), last
  end
  return reply
end

local replies = {}
for place, query in ipairs(asked.queries) do
  replies[place] = page(query)
end
return replies
