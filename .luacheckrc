-- What runs is prelude.lua, with the rules rendered from Python in its middle, then one script. So a
-- script sees the prelude's locals, read here from the file itself, and the rules, named here.
local rules = {
  "BOUNDS", "CAPTURES", "CONTEXT", "COUNTED", "DIMENSIONS", "ERROR", "EXACT_S", "EXTRAS", "FEED_ENTRIES", "FEED_IDS",
  "FIELDS", "GROWTH", "KNOWN_CODES", "LONGEST_CODE", "LONGEST_S", "MOST_CODES", "OTHER_CODE", "PACKED", "RANK", "REACHED", "SEPARATOR", "SPANS", "TIMED", "TIME_OF", "TOLERANCE_MS", "counted_by", "stays",
  -- the fields of reports.Record
  "STATUS", "CREATED_US", "SENT_MS", "DELIVERED_MS", "READ_MS", "FAILED_MS", "ERROR_MS",
  "ERROR_CODE", "ERROR_MESSAGE", "WAMID", "RECIPIENT_ID", "EVENT_ID", "REGISTRATION_ID",
  "GUEST_ID", "TEMPLATE_NAME", "FLOW_TYPE", "MESSAGE_TYPE", "GUEST_NAME", "CONTEXT_US", "STAMPS",
  "ERROR_DETAILS", "ERROR_HREF", "PHONE_NUMBER_ID", "USER_ID", "PARENT_USER_ID", "PARTICIPANT_ID",
  "CALLBACK_DATA", "PRICING", "RECEIVED_MS",
}

local prelude = {}
for _, name in ipairs({ "prelude", "indexes" }) do
  local file = io.open("lua/" .. name .. ".lua")
  for line in file and file:lines() or function() end do
    local names = line:match("^local function ([%w_]+)") or line:match("^local ([%w_, ]+)")
    for name in (names or ""):gmatch("[%w_]+") do prelude[#prelude + 1] = name end
  end
end

std = "lua51"
max_line_length = 100
-- Without cmsgpack, struct and bit: fakeredis has none of them.
read_globals = { "KEYS", "ARGV", "redis", "cjson", unpack(rules) }
-- Redis refuses these; print would write to nowhere.
not_globals = { "dofile", "io", "loadfile", "module", "os", "package", "print", "require" }

files["lua/*.lua"] = { read_globals = prelude }
files["lua/prelude.lua"] = { ignore = { "211" } } -- its locals are used by the scripts
files["lua/indexes.lua"] = { ignore = { "211" } }
