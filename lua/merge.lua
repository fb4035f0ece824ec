-- Merges a batch of reports into their messages: records, indexes and counters in one step.
-- Repeating a batch changes nothing. A report that comes late for an erased message is dropped.
--
-- KEYS[1]  the partition's tag. Reads and writes behind it
--            :msg:<id>  :by:<dimension>[:<value>]  :count:<dimension>[:<value>]
--            :times:<dimension>[:<value>]  :waits:<dimension>[:<value>]  :values:<dimension>
--            :participants:<id>
--          writes  :feed  and reads  :gone:<id>
-- ARGV[1]  JSON [[id, …], [report, …]], as many ids as reports, at most 256; a report is
--          [wamid, status, at_ms, received_us, recipient_id, error_code, error_message,
--          error_details, error_href, context, extras] as reports.Report has it: ms and µs as
--          integers, texts '' where not given, context and extras [] or the texts of
--          reports.Context and reports.Extras. A batch without ids only tests: whether the server
--          takes writes, and whether the user may run the commands that it has in place of reports.
-- Returns  for each report, in order: the message's status after it, and its outcome: 'created',
--          'changed' or 'unchanged'; for an erased message the report's own status, and 'erased'.
-- Cost     O(1) a report, and O(log N) for each index that its message enters.
--          About 20 µs for a status change and 50 µs for a new message; up to twice as much among
--          1,000,000 messages where each report is of another event.

local REPORTED, RECEIVED, GIVEN = 2, 4, 11

-- Keeps the earlier of two times.
local function merge_time(record, field, at)
  local known_at = record[field]
  if known_at and at >= tonumber(known_at) then
    return false
  end
  record[field] = digits(at)
  return true
end

-- Returns whether the report changed the status, its time, or when it was first received.
local function merge_status(record, status, at_ms, received_us)
  local changed = false
  if RANK[status] > (RANK[record.status] or 0) then
    record.status = status
    changed = true
  end
  local field, receipt = TIME_OF[status], RECEIPT_OF[status]
  local created_ms = string.sub(record.created_us, 1, -4)
  -- If a known status has no receipt, it was first received when the message was created.
  local heard_ms = record[field] and (record[receipt] or created_ms)
  changed = merge_time(record, field, at_ms) or changed
  if not heard_ms or received_us < 1000 * heard_ms then
    heard_ms = digits((received_us - received_us % 1000) / 1000)
    record[receipt] = heard_ms ~= created_ms and heard_ms
    changed = true
  end
  return changed
end

-- Returns whether an error comes before the record's: it goes by the first text that differs.
local function error_precedes(record, error)
  for i, field in ipairs(ERROR) do
    local known = record[field] or ''
    if error[i] ~= known then
      return precedes(error[i], known)
    end
  end
  return false
end

-- Keeps the error of the earliest failure; at equal times the smaller code, then the smaller texts.
local function merge_error(record, at_ms, error)
  if error[1] == '' and error[2] == '' then
    return false
  end
  local known_ms = tonumber(record.error_ms)
  local later = known_ms and at_ms > known_ms
  if later or (at_ms == known_ms and not error_precedes(record, error)) then
    return false
  end
  record.error_ms = digits(at_ms)
  for i, field in ipairs(ERROR) do
    record[field] = error[i] ~= '' and error[i]
  end
  return true
end

-- Keeps the smaller of two texts.
local function merge_text(record, field, text)
  local known = record[field]
  if text == '' or text == known or (known and precedes(known, text)) then
    return false
  end
  record[field] = text
  return true
end

-- Merges the recipient that a status update names. While no track-send has named one, `to` is the
-- smallest of these; then it is the track-send's. `meta_to` is the smallest other one.
local function merge_recipient(record, recipient_id)
  local known = record.to
  if recipient_id == '' or recipient_id == known then
    return false
  elseif record.tracked_us or (known and precedes(known, recipient_id)) then
    return merge_text(record, 'meta_to', recipient_id)
  end
  record.to, record.meta_to = recipient_id, known
  return true
end

-- Merges the fields that Meta's statuses have. A field that track-sends have too changes only while
-- no track-send has named it.
local function merge_extras(record, extras)
  local changed = false
  for i, field in ipairs(EXTRAS) do
    local stamp = SHARED[field]
    if i ~= PARTICIPANT_ID and not (stamp and record[stamp]) then
      changed = merge_text(record, field, extras[i]) or changed
    end
  end
  return changed
end

-- Writes the context of a message's first track-send. Its recipient replaces that of the statuses.
local function put_context(record, context, received_us)
  local status_to = record.to
  for i = 1, #CONTEXT do
    local value = context[i]
    if value ~= '' then
      local field = CONTEXT[i]
      local stamp = SHARED[field]
      record[field] = value
      if stamp then
        record[stamp] = digits(received_us)
      end
    end
  end
  record.tracked_us = digits(received_us)
  if status_to and status_to ~= record.to then
    record.meta_to = status_to
  end
end

-- Merges the context of a further track-send, field by field: the value that was received last
-- stays. So a later track-send replaces what it names, and an earlier one fills what is missing. Of
-- two received in the same microsecond the greater text stays.
--
-- <field>_named_us says when a field's value was received. It is left out where that is
-- tracked_us, the latest track-send of all. A field that Meta's statuses have too always has it if
-- a track-send named it; without it the text is Meta's, and any track-send replaces it.
local function merge_context(record, context, received_us)
  local tracked_us = tonumber(record.tracked_us)
  local latest_us = math.max(tracked_us, received_us)
  local changed = received_us > tracked_us
  record.tracked_us = digits(latest_us)
  for i, field in ipairs(CONTEXT) do
    local value, known, shared = context[i], record[field], SHARED[field]
    local stamp = NAMED_OF[field]
    -- -1: no track-send has named the field yet.
    local named_us = known and tonumber(record[stamp] or not shared and tracked_us) or -1
    if value ~= '' and (received_us > named_us
        or (received_us == named_us and precedes(known, value))) then
      record[field], named_us = value, received_us
      changed = true
    end
    record[stamp] = named_us ~= -1 and (shared or named_us ~= latest_us)
      and digits(named_us)
  end
  if record.meta_to == record.to then
    record.meta_to = false
  end
  return changed
end

-- Merges what a report says of a participant. One with at_ms 0 says only that there is this
-- participant.
local function merge_participant(record, participant, status, at_ms, received_us)
  local changed = not participant.received_us
  if changed then
    record.participants = digits((record.participants or 0) + 1)
  end
  changed = merge_time(participant, 'received_us', received_us) or changed
  return at_ms > 0 and merge_time(participant, TIME_OF[status], at_ms) or changed
end

-- Merges one report into its record, and into the participant that it names, if any. Returns
-- whether that changed anything.
local function merge(record, report, participant)
  local _, status, at_ms, received_us, recipient_id, code, message, details, href, context, extras =
    unpack(report)
  local changed = participant
    and merge_participant(record, participant, status, at_ms, received_us)
  if participant and status == 'failed' then
    -- A participant's failure doesn't fail the message. It shows that the message was sent, but not
    -- when.
    record.status = record.status or 'sent'
  else
    changed = merge_status(record, status, at_ms, received_us) or changed
  end
  if status == 'failed' then
    local error = {code, message, details, href}
    changed = merge_error(participant or record, at_ms, error) or changed
  end
  if #extras > 0 then
    changed = merge_extras(record, extras) or changed
  end
  if #context == 0 then
    return merge_recipient(record, recipient_id) or changed
  elseif record.tracked_us then
    return merge_context(record, context, received_us) or changed
  end
  put_context(record, context, received_us)
  return true
end

-- Writes all fields of a new record, or the changed fields of a stored one.
local function write_record(key, record, stored)
  local to_set, to_delete, count = {}, {}, 0
  if not stored then
    for i = 1, #FIELDS do
      local field = FIELDS[i]
      local value = record[field]
      if value then
        to_set[count + 1], to_set[count + 2] = field, value
        count = count + 2
      end
    end
  else
    for field, value in pairs(record) do
      if value and value ~= stored[field] then
        to_set[#to_set + 1], to_set[#to_set + 2] = field, value
      elseif not value and stored[field] then
        to_delete[#to_delete + 1] = field
      end
    end
  end
  if #to_set > 0 then
    call('HSET', key, unpack(to_set))
  end
  if #to_delete > 0 then
    call('HDEL', key, unpack(to_delete))
  end
end

-- The participants that the batch names: by the message's id, then by their own. Each is a table of
-- the fields that change; its metatable has the stored ones, as a record's has.
local participants = {}

local function participant_at(id, participant_id)
  local named = participants[id] or {}
  participants[id] = named
  if not named[participant_id] then
    local names, stored = {}, {}
    for i, field in ipairs(PARTICIPANT_FIELDS) do
      names[i] = participant_id .. ' ' .. field
    end
    local texts = call('HMGET', tag .. ':participants:' .. id, unpack(names))
    for i, field in ipairs(PARTICIPANT_FIELDS) do
      stored[field] = texts[i] or nil
    end
    stored.__index = stored
    named[participant_id] = setmetatable({}, stored)
  end
  return named[participant_id]
end

-- Writes the changed fields of a message's participants.
local function write_participants(id)
  local key = tag .. ':participants:' .. id
  for participant_id, participant in pairs(participants[id] or {}) do
    local stored, to_set, to_delete = getmetatable(participant), {}, {}
    for _, field in ipairs(PARTICIPANT_FIELDS) do
      local value, name = participant[field], participant_id .. ' ' .. field
      if value and value ~= stored[field] then
        to_set[#to_set + 1], to_set[#to_set + 2] = name, value
      elseif not value and stored[field] then
        to_delete[#to_delete + 1] = name
      end
    end
    if #to_set > 0 then
      call('HSET', key, unpack(to_set))
    end
    if #to_delete > 0 then
      call('HDEL', key, unpack(to_delete))
    end
  end
end

-- Returns {}, or an error that names all commands that the user may not run. fakeredis has no
-- users.
local function permission(commands)
  local lacking = {}
  for _, command in ipairs(commands) do
    if redis.acl_check_cmd and not redis.acl_check_cmd(unpack(command))
        and lacking[#lacking] ~= command[1] then
      lacking[#lacking + 1] = command[1]
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

-- The records before and after the batch, by id. Each message is read once. The new record of a
-- stored message is a table of the fields that change, where false stands for a field to delete;
-- its metatable has the stored fields.
local old, new, unknown, tombstones = {}, {}, {}, {}
for _, id in ipairs(ids) do
  if not new[id] then
    local record = record_at(tag .. ':msg:' .. id)
    if record then
      record.__index = record
      old[id], new[id] = record, setmetatable({}, record)
    else
      new[id] = {}
      unknown[#unknown + 1] = id
      tombstones[#tombstones + 1] = tag .. ':gone:' .. id
    end
  end
end

-- Which of the messages without a record were erased, by id.
local erased = {}
if #tombstones > 0 then
  for i, tombstone in ipairs(call('MGET', unpack(tombstones))) do
    erased[unknown[i]] = tombstone
  end
end

local dirty, reply = {}, {}
for i, report in ipairs(reports) do
  local id = ids[i]
  local status, outcome = report[REPORTED], 'erased'
  if not erased[id] then
    local record = new[id]
    outcome = 'changed'
    if not record.created_us then
      record.wamid, record.created_us = report[1], digits(report[RECEIVED])
      outcome = 'created'
    end
    local participant_id = report[GIVEN][PARTICIPANT_ID] or ''
    if merge(record, report, participant_id ~= '' and participant_at(id, participant_id)) then
      dirty[id] = true
    else
      outcome = 'unchanged'
    end
    status = record.status
  end
  reply[2 * i - 1], reply[2 * i] = status, outcome
end

local changed, to_reindex = {}, {}
for id in pairs(dirty) do
  changed[#changed + 1] = id
  if old[id] then
    new[id].version = digits((tonumber(old[id].version) or 1) + 1)
  end
  if not update_counters(old[id], new[id]) then
    to_reindex[#to_reindex + 1] = id
  end
end
local counters = read_counters()

-- The writes begin here. Those that can fail come first, since repeating them changes nothing.
-- Counters come after them: a repetition would count twice. Records come last: they show a
-- repetition that all is done.
for _, id in ipairs(to_reindex) do
  reindex(id, old[id], new[id])
end
write_values()
publish(changed)
write_counters(counters)
for _, id in ipairs(changed) do
  write_participants(id)
  write_record(tag .. ':msg:' .. id, new[id], old[id])
end
return reply
