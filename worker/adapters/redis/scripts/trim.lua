-- TRIM: delete the entries that every consumer group has acknowledged and that are old enough, in one step. A group
-- made before this step is taken into account; a group made after it reads what is left.
--   KEYS  1 stream   2 trimmed (hash)   3.. letters (hashes) whose dead letter must stay while it waits for a person
--   ARGV  1 ms that an acknowledged entry is kept   2 'trim', or 'preview' to change nothing
--         3 group that does not count as a reader; like all groups, it keeps what it has not acknowledged
--         4 id that must stay, or '' for none: the caller has not examined later entries
--         5.. id of the entry that must stay while the letter (KEYS 3..) is dead with that entry
--   -> {removed, first id that stays, why, group}
--        age      the next entry is not old enough           group      that group has yet to acknowledge it
--        letter   it is the entry of a letter in review/     further    the caller has not examined later entries
--        empty    the stream is empty                        no_reader  no group reads: nothing is ever deleted
-- Killed before: nothing happened. Reply lost: the same call finds less to delete.
--
-- A group needs what it has not acknowledged: from its oldest pending entry on, or from the entry after the last one
-- delivered to it, whichever comes first (a group that was set back reads entries again). Pending entries before the
-- first entry of the stream are ghosts: they were deleted and cannot be delivered, so they keep nothing.
-- The trimming is exact (`~` would leave whole nodes), because the reply names the first id that stays. ACKED (Redis
-- 8.2) makes the server check each entry again; alone it does not suffice: without any group it deletes everything.
local function before(a, b)
  local a_ms, a_seq = a:match('(%d+)-(%d+)')
  local b_ms, b_seq = b:match('(%d+)-(%d+)')
  if a_ms == b_ms then a_ms, b_ms = a_seq, b_seq end
  if #a_ms ~= #b_ms then return #a_ms < #b_ms end
  return a_ms < b_ms
end

-- Adds one to a number given as digits: ids have 64 bits, numbers of Lua are exact to 53.
local function plus_one(digits)
  local nines = digits:match('9*$')
  local rest = digits:sub(1, #digits - #nines)
  local zeros = string.rep('0', #nines)
  if rest == '' then return '1' .. zeros end
  return rest:sub(1, -2) .. string.char(rest:byte(-1) + 1) .. zeros
end

local function after(id)
  local ms, seq = id:match('(%d+)-(%d+)')
  if seq == '18446744073709551615' then return plus_one(ms) .. '-0' end
  return ms .. '-' .. plus_one(seq)
end

local function needed_by(group, first)
  local unread = after(group['last-delivered-id'])
  local pending = redis.call('XPENDING', KEYS[1], group['name'], first, '+', '1')[1]
  return pending and before(pending[1], unread) and pending[1] or unread
end

local wrong = expect(KEYS[1], 'stream') or expect(KEYS[2], 'hash')
for index = 3, #KEYS do wrong = wrong or expect(KEYS[index], 'hash') end
if wrong then return wrong end

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', '1')[1]
if not oldest then return {0, '', 'empty', ''} end
local first = oldest[1]

local floor, why, who, readers = string.format('%.0f-0', now_ms() - tonumber(ARGV[1])), 'age', '', 0
local function keep_from(id, reason, group)
  if before(id, floor) then floor, why, who = id, reason, group end
end

for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for index = 1, #fields, 2 do group[fields[index]] = fields[index + 1] end
  if group['name'] ~= ARGV[3] then readers = readers + 1 end
  keep_from(needed_by(group, first), 'group', group['name'])
end
if readers == 0 then return {0, first, 'no_reader', ''} end

if ARGV[4] ~= '' then keep_from(ARGV[4], 'further', '') end
for index = 3, #KEYS do
  local letter = redis.call('HMGET', KEYS[index], 'state', 'entry')
  if letter[1] == 'dead' and letter[2] == ARGV[index + 2] then keep_from(letter[2], 'letter', '') end
end

if ARGV[2] ~= 'trim' or not before(first, floor) then return {0, floor, why, who} end
local removed = redis.pcall('XTRIM', KEYS[1], 'MINID', '=', floor, 'ACKED')
if type(removed) == 'table' and removed['err'] then removed = redis.call('XTRIM', KEYS[1], 'MINID', '=', floor) end
if removed > 0 then
  -- Written after the deletion: a server that is out of memory refuses a script whose first write needs some.
  redis.call('HSET', KEYS[2], KEYS[1] .. ' below', floor)
  redis.call('HINCRBY', KEYS[2], KEYS[1] .. ' entries', removed)
end
return {removed, floor, why, who}
