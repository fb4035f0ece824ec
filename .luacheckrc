-- What runs is prelude.lua, with the rules rendered from Python in its middle, then one script. So a
-- script sees the prelude's locals, read here from the file itself, and the rules, named here.
local rules = {
  "BOUNDS", "CONTEXT", "COUNTED", "DIMENSIONS", "ENDING_DIGITS", "ERROR", "EXACT_S", "EXTRAS", "FEED_ENTRIES",
  "FEED_IDS", "FIELDS", "GROWTH", "KNOWN_CODES", "LONGEST_CODE", "LONGEST_S", "MOST_CODES", "NAMED_OF",
  "OTHER_CODE", "PARTICIPANT_FIELDS", "PARTICIPANT_ID", "RANK", "REACHED",
  "RECEIPT_OF", "SHARED", "AGE_BUCKET_DIGITS", "TIMED", "TIME_OF", "TOLERANCE_MS", "group_key", "same_indexes",
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
