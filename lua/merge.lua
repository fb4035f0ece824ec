-- Merges a batch of reports into their messages: records, indexes and counters in one step.
-- Repeating a batch changes nothing. What comes late for an erased message is dropped.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :by:<dimension>[:<value>]  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]  :values:<dimension>
--          writes  :feed  and reads  :gone:<id>
-- ARGV[1]  JSON [[id, …], [report, …]], as many ids as reports, at most 256; a report is
--          [wamid, status, at_ms, received_us, recipient_id, error_code, error_message,
--          error_details, error_href, context, extras] as reports.Report has it: ms and µs as
--          integers, texts '' where not given, context and extras [] or the texts of
--          reports.Context and reports.Extras. A batch without ids shows whether the server takes
--          writes, and whether the user may run the commands that stand for its reports.
-- Returns  for each report, in order: the message's status after it, and its outcome: 'created',
--          'changed' or 'unchanged'; or the report's own status, and 'erased'.
-- Cost     O(1) a report save for its indexes, O(log N) of the index where it enters one.
--          About 5 µs for a status change and 25 µs for a new message.

local REPORTED, RECEIVED = 2, 4

-- Returns whether this is the earliest that the service has heard of the status.
local function merge_receipt(record, status, received_us)
  local receipts, place = record[RECEIVED_MS], RANK[status]
  local received_ms = string.sub(digits(received_us), 1, -4)
  if #receipts == math.max(0, 14 * place - 15) then
    -- All statuses before it are there, of 13 digits each, and none behind: as nearly always.
    record[RECEIVED_MS] = place == 1 and received_ms or receipts .. ',' .. received_ms
    return true
  end
  local times = split(receipts, ',')
  for before = #times + 1, place do
    times[before] = ''
  end
  if times[place] ~= '' and tonumber(times[place]) <= tonumber(received_ms) then
    return false
  end
  times[place] = received_ms
  record[RECEIVED_MS] = table.concat(times, ',')
  return true
end

-- Returns whether the report said something new of the status or its time.
local function merge_status(record, status, at_ms)
  local changed = false
  if RANK[status] > (RANK[record[STATUS]] or 0) then
    record[STATUS] = status
    changed = true
  end
  local field = TIME_OF[status]
  if record[field] == '' or at_ms < tonumber(record[field]) then
    record[field] = digits(at_ms)
    changed = true
  end
  return changed
end

-- Whether the first of the error's texts that differ comes before the record's.
local function error_precedes(record, error)
  for place, field in ipairs(ERROR) do
    if error[place] ~= record[field] then
      return precedes(error[place], record[field])
    end
  end
  return false
end

-- The earliest failure's error stays; at equal times the smaller code, then the smaller texts.
local function merge_error(record, at_ms, error)
  if error[1] == '' and error[2] == '' then
    return false
  end
  local known_ms = tonumber(record[ERROR_MS])
  local later = known_ms and at_ms > known_ms
  if later or (at_ms == known_ms and not error_precedes(record, error)) then
    return false
  end
  record[ERROR_MS] = digits(at_ms)
  for place, field in ipairs(ERROR) do
    record[field] = error[place]
  end
  return true
end

-- Of several texts the smaller stays.
local function merge_text(record, field, text)
  local known = record[field]
  if text == '' or text == known or (known ~= '' and precedes(known, text)) then
    return false
  end
  record[field] = text
  return true
end

local function merge_extras(record, extras)
  local changed = false
  for place, field in ipairs(EXTRAS) do
    changed = merge_text(record, field, extras[place]) or changed
  end
  return changed
end

-- When each field of the record's context was received, by its place in the context; -1 for one
-- that no track-send has named.
local function stamps_of(record)
  local tracked_us = tonumber(record[CONTEXT_US]) or -1
  local stamps = split(record[STAMPS], ',')
  for place, field in ipairs(CONTEXT) do
    if tracked_us == -1 or record[field] == '' then
      stamps[place] = -1
    else
      stamps[place] = tonumber(stamps[place]) or tracked_us
    end
  end
  return stamps, tracked_us
end

-- Of two track-sends the later received fills and replaces what it names, the earlier fills what
-- is missing; received in the same microsecond, the greater text stays.
local function merge_context(record, context, received_us)
  local stamps, tracked_us = stamps_of(record)
  local changed = received_us > tracked_us
  for place, field in ipairs(CONTEXT) do
    local value, known = context[place], record[field]
    if value ~= '' and (received_us > stamps[place]
        or (received_us == stamps[place] and precedes(known, value))) then
      record[field], stamps[place] = value, received_us
      changed = true
    end
  end
  tracked_us = math.max(tracked_us, received_us)
  local older = false
  for place, stamp in ipairs(stamps) do
    if stamp == -1 or stamp == tracked_us then
      stamps[place] = ''
    else
      stamps[place], older = digits(stamp), true
    end
  end
  record[CONTEXT_US] = digits(tracked_us)
  record[STAMPS] = older and table.concat(stamps, ',') or ''
  return changed
end

local function new_record(wamid, received_us)
  local record = unpacked('')
  record[WAMID], record[CREATED_US] = wamid, digits(received_us)
  return record
end

-- Merges one report into its record; returns whether that changed anything.
local function merge(record, report)
  local _, status, at_ms, received_us, recipient_id, code, message, details, href, context, extras =
    unpack(report)
  local changed = merge_status(record, status, at_ms)
  changed = merge_receipt(record, status, received_us) or changed
  if status == 'failed' then
    changed = merge_error(record, at_ms, {code, message, details, href}) or changed
  end
  if #extras > 0 then
    changed = merge_extras(record, extras) or changed
  end
  if #context > 0 then
    return merge_context(record, context, received_us) or changed
  end
  -- The recipient of status updates counts while no track-send has named one.
  if record[CONTEXT_US] == '' then
    return merge_text(record, RECIPIENT_ID, recipient_id) or changed
  end
  return changed
end

-- Nothing, or an error that names all commands that the user may not run. fakeredis has no users.
local function permission(commands)
  local lacking = {}
  for _, words in ipairs(commands) do
    if redis.acl_check_cmd and not redis.acl_check_cmd(unpack(words))
        and lacking[#lacking] ~= words[1] then
      lacking[#lacking + 1] = words[1]
    end
  end
  if #lacking > 0 then
    local names = table.concat(lacking, ', ')
    return redis.error_reply('NOPERM the user lacks ' .. names .. ' on the keys ' .. tag .. ':*')
  end
  return {}
end

local ids, reports = unpack(cjson.decode(ARGV[1]))
if #ids == 0 then
  return permission(reports)
end

local keys = {}
for i, id in ipairs(ids) do
  keys[i] = tag .. ':msg:' .. id
end
local packed = call('MGET', unpack(keys))

-- Which of the messages without a record have been erased, by id.
local erased, unknown, tombs = {}, {}, {}
for i, id in ipairs(ids) do
  if not packed[i] then
    unknown[#unknown + 1] = id
    tombs[#tombs + 1] = tag .. ':gone:' .. id
  end
end
if #tombs > 0 then
  for place, tomb in ipairs(call('MGET', unpack(tombs))) do
    erased[unknown[place]] = tomb
  end
end

local old, new, dirty, reply = {}, {}, {}, {}
for i, report in ipairs(reports) do
  local id = ids[i]
  local status, outcome = report[REPORTED], 'erased'
  if not erased[id] then
    outcome = 'changed'
    if not new[id] then
      if packed[i] then
        old[id] = unpacked(packed[i])
        new[id] = {unpack(old[id])}
      else
        new[id] = new_record(report[1], report[RECEIVED])
        outcome = 'created'
      end
    end
    if merge(new[id], report) then
      dirty[id] = true
    else
      outcome = 'unchanged'
    end
    status = new[id][STATUS]
  end
  reply[2 * i - 1], reply[2 * i] = status, outcome
end

local changed, moved = {}, {}
for id in pairs(dirty) do
  changed[#changed + 1] = id
  if not recount(old[id], new[id]) then
    moved[#moved + 1] = id
  end
end
local counters = read_counters()

-- The writes begin here. First those that can fail: repeating them changes nothing. Then counters,
-- which a repetition would count twice, and records, which tell a repetition that all is done.
for _, id in ipairs(moved) do
  move(id, old[id], new[id])
end
write_values()
publish(changed)
write_counters(counters)
for _, id in ipairs(changed) do
  call('SET', tag .. ':msg:' .. id, table.concat(new[id], SEPARATOR))
end
return reply
