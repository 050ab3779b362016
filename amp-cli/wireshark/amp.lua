-- A dissector for AMP, the Asynchronous Messaging Protocol: boxes, calls, answers and errors, and
-- which of them belong together. Put it into Wireshark's folder of personal Lua plugins, or use
-- `tshark -X lua_script:amp.lua`.
--
-- The name amp is that of another protocol in Wireshark, so fields are called ampbox.command and so on.
--
-- It reads captures of networks, and those that `ampctl tap --pcap` writes, where each packet is a box.
--
-- AMP has no port of its own and no version: a stream is taken for AMP when a key of its first box, as
-- far as the first segment has it, is one of the protocol's, or by "Decode As", or by the preference "TCP ports".

local amp = Proto("ampbox", "Asynchronous Messaging Protocol")

local f = amp.fields
f.kind = ProtoField.string("ampbox.kind", "Kind")
f.command = ProtoField.string("ampbox.command", "Command")
f.tag = ProtoField.string("ampbox.tag", "Tag")
f.code = ProtoField.string("ampbox.error.code", "Error code")
f.description = ProtoField.string("ampbox.error.description", "Error description")
f.route = ProtoField.string("ampbox.route", "Route")
f.pair = ProtoField.none("ampbox.pair", "Pair")
f.key = ProtoField.string("ampbox.key", "Key")
f.value = ProtoField.bytes("ampbox.value", "Value")
f.text = ProtoField.string("ampbox.value.text", "Value")
f.bytes = ProtoField.uint32("ampbox.len", "Length of the box")
f.call_in = ProtoField.framenum("ampbox.call_in", "Call in", base.NONE, frametype.REQUEST)
f.answer_in = ProtoField.framenum("ampbox.answer_in", "Answered in", base.NONE, frametype.RESPONSE)
f.time = ProtoField.relative_time("ampbox.time", "Time from the call")

local e = {}
e.key = ProtoExpert.new("ampbox.key_too_long", "A key of more than 255 bytes", expert.group.MALFORMED, expert.severity.ERROR)
e.empty = ProtoExpert.new("ampbox.no_kind", "A box that is neither call nor answer nor error", expert.group.PROTOCOL, expert.severity.ERROR)
e.unasked = ProtoExpert.new("ampbox.unasked", "An answer to no call", expert.group.SEQUENCE, expert.severity.WARN)
e.error = ProtoExpert.new("ampbox.error_answer", "A call failed", expert.group.RESPONSE_CODE, expert.severity.NOTE)
e.cut = ProtoExpert.new("ampbox.cut", "The rest of the box was not captured", expert.group.UNDECODED, expert.severity.WARN)
e.unanswered = ProtoExpert.new("ampbox.unanswered", "No answer was seen", expert.group.SEQUENCE, expert.severity.NOTE)
amp.experts = { e.key, e.empty, e.unasked, e.error, e.cut, e.unanswered }

amp.prefs.ports = Pref.range("TCP ports", "", "Streams that are AMP whatever is in them", 65535)
amp.prefs.shown = Pref.uint("Bytes of a value to show", 200, "How much of a text is shown")

local OWN = { _ask = true, _answer = true, _error = true, _command = true, _error_code = true, _error_description = true, _route = true }

-- What is known of calls: by the direction that they were made in, and their tag.
local calls, answers, switched = {}, {}, {}
function amp.init()
  calls, answers, switched = {}, {}, {}
end

local function direction(pinfo, back)
  local from = tostring(pinfo.src) .. ":" .. tostring(pinfo.src_port)
  local to = tostring(pinfo.dst) .. ":" .. tostring(pinfo.dst_port)
  return back and to .. ">" .. from or from .. ">" .. to
end

-- Where the box from `at` on ends; or nil, and how many bytes more there are at least, or nil when
-- it is no box. More than "one more segment" can be asked for, since a pair says its length and two
-- bytes follow it in any case: that matters with boxes of megabytes.
local function box_end(tvb, at)
  local have = tvb:len()
  while true do
    if at + 2 > have then return nil, at + 2 - have end
    local key = tvb(at, 2):uint()
    if key == 0 then return at + 2 end
    if key > 255 then return nil, nil end
    local value_at = at + 2 + key + 2
    if value_at > have then return nil, value_at + 2 - have end
    at = value_at + tvb(value_at - 2, 2):uint()
    if at + 2 > have then return nil, at + 2 - have end
  end
end

local function printable(range)
  local raw = range:raw()
  if #raw == 0 or raw:find("[%z\1-\8\11\12\14-\31\127]") then return nil end
  local ok = utf8 == nil or utf8.len(raw) ~= nil
  return ok and raw or nil
end

local function short(text)
  local shown = amp.prefs.shown
  return #text > shown and text:sub(1, shown) .. "..." or text
end

local function dissect_box(tvb, pinfo, tree, from, to)
  local item = tree:add(amp, tvb(from, to - from))
  local found, pairs_of = {}, {}
  local at = from
  while tvb(at, 2):uint() ~= 0 do
    local key_len = tvb(at, 2):uint()
    local key = tvb(at + 2, key_len)
    local value_len = tvb(at + 2 + key_len, 2):uint()
    local value = value_len > 0 and tvb(at + 4 + key_len, value_len) or nil
    local name = key:raw()
    found[name] = value and value:raw() or ""
    local pair = item:add(f.pair, tvb(at, 4 + key_len + value_len))
    pair:add(f.key, key)
    local text = value and printable(value)
    if not value then
      pair:set_text(name .. ": (empty)")
    elseif text then
      pair:add(f.text, value, text)
      pair:set_text(name .. ": " .. short(text))
    else
      pair:add(f.value, value)
      pair:set_text(name .. ": " .. value_len .. " bytes")
    end
    if not OWN[name] then pairs_of[#pairs_of + 1] = name end
    at = at + 4 + key_len + value_len
  end

  local kind, tag, label
  if found._answer then kind, tag = "answer", found._answer
  elseif found._error then kind, tag = "error", found._error
  elseif found._command then kind, tag = found._ask and "call" or "one-way", found._ask
  else kind = "box"; item:add_proto_expert_info(e.empty) end
  item:add(f.kind, kind):set_generated()
  item:add(f.bytes, to - from):set_generated()
  if found._command then item:add(f.command, found._command):set_generated() end
  if found._route then item:add(f.route, found._route):set_generated() end
  if tag then item:add(f.tag, tag):set_generated() end
  if found._error_code then item:add(f.code, found._error_code):set_generated() end
  if found._error_description then item:add(f.description, found._error_description):set_generated() end

  -- The same box is dissected again and again: what it belongs to is found the first time.
  local here = pinfo.number .. "/" .. from
  local command = found._command
  local route = found._route or ""
  if kind == "call" then
    local which = direction(pinfo) .. "/" .. route .. "/" .. tag
    if not pinfo.visited then
      calls[which] = { frame = pinfo.number, time = pinfo.abs_ts, command = command, here = here }
    end
    local answer = answers["of " .. here]
    if answer then
      item:add(f.answer_in, answer.frame):set_generated()
    elseif pinfo.visited then
      item:add_proto_expert_info(e.unanswered)
    end
  elseif kind == "answer" or kind == "error" then
    local which = direction(pinfo, true) .. "/" .. route .. "/" .. tag
    if not pinfo.visited then
      local call = calls[which]
      calls[which] = nil
      answers[here] = call or false
      if call then answers["of " .. call.here] = { frame = pinfo.number } end
      if call and call.command == "StartTLS" and kind == "answer" then
        switched[direction(pinfo)] = pinfo.number
        switched[direction(pinfo, true)] = pinfo.number
      end
    end
    local call = answers[here]
    if call then
      command = call.command
      item:add(f.command, call.command):set_generated()
      item:add(f.call_in, call.frame):set_generated()
      local elapsed = pinfo.abs_ts - call.time
      local whole = math.floor(elapsed)
      item:add(f.time, NSTime.new(whole, math.floor((elapsed - whole) * 1e9))):set_generated()
    else
      item:add_proto_expert_info(e.unasked)
    end
    if kind == "error" then item:add_proto_expert_info(e.error) end
  end

  label = kind
  if tag then label = label .. " " .. tag end
  if command then label = label .. " " .. command end
  if found._error_code then label = label .. " " .. found._error_code end
  if #pairs_of > 0 then label = label .. " (" .. table.concat(pairs_of, ", ") .. ")" end
  item:set_text("AMP " .. label)
  return label
end

local function dissect(tvb, pinfo, tree)
  local since = switched[direction(pinfo)]
  if since and pinfo.number > since then
    return Dissector.get("tls"):call(tvb, pinfo, tree)
  end
  pinfo.cols.protocol = "AMP"
  local labels = {}
  local at = 0
  while at < tvb:len() do
    local to, more = box_end(tvb, at)
    if not to and not more then
      tree:add(amp, tvb(at)):add_proto_expert_info(e.key)
      break
    end
    if not to and tvb:len() < tvb:reported_len() then
      tree:add(amp, tvb(at)):add_proto_expert_info(e.cut)
      break
    end
    if not to then
      pinfo.desegment_offset = at
      -- A number that ends inside of the segment at hand confuses the second pass of Wireshark.
      pinfo.desegment_len = more > 16384 and more or DESEGMENT_ONE_MORE_SEGMENT
      break
    end
    labels[#labels + 1] = dissect_box(tvb, pinfo, tree, at, to)
    at = to
  end
  if #labels > 0 then pinfo.cols.info = table.concat(labels, "; ") end
  return tvb:len()
end

amp.dissector = dissect

-- One of the keys of the first box is the protocol's own. Keys are sorted, so those that begin with a capital
-- letter or a digit are before it.
local function looks_like_amp(tvb, pinfo, tree)
  local at, found = 0, false
  while not found do
    if at + 3 > tvb:len() then return false end
    local len = tvb(at, 2):uint()
    if len == 0 or len > 255 or at + 2 + len > tvb:len() then return false end
    found = OWN[tvb(at + 2, len):raw()]
    at = at + 2 + len
    if not found then
      if at + 2 > tvb:len() then return false end
      at = at + 2 + tvb(at, 2):uint()
    end
  end
  pinfo.conversation = amp
  dissect(tvb, pinfo, tree)
  return true
end
amp:register_heuristic("tcp", looks_like_amp)

local tcp = DissectorTable.get("tcp.port")
tcp:add_for_decode_as(amp)
local old
function amp.prefs_changed()
  if old and old ~= "" then tcp:remove(old, amp) end
  old = amp.prefs.ports
  if old and old ~= "" then tcp:add(old, amp) end
end
