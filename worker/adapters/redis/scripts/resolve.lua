-- RESOLVE: a decision about a finished letter, its audit entry and its effect in one step.
--   KEYS  1 letter (hash)   2 open (zset)   3 counts (hash)   4 dead letters (stream)   5 review names (hash)
--         6 open letters (hash)   7 finished (hash)
--   ARGV  1 'redrive', 'discard' or 'restore', by a person about a dead letter; 'supersede', by a worker that finds the
--           file of any finished letter written to before it was filed away
--         2 revision and 3 decisions as whoever decides saw them
--         4 hash of the path in review/, or '' as in FINISH   5 'plain' or 'claim'   6 content type   7 event   8 digest
--         9 token of this decision   10 claim id and 11 digest of what the file is now, to supersede; else ''
--   -> {reply, state, revision, decisions, named}
--        resolved   the decision stands; also for the same token once more, whose first reply was lost
--        conflict   somebody decided meanwhile, or the state does not allow it: nothing was changed
--        taken      restore: another letter has that name in review/ now: ask again with the other name
--        stands     supersede: the letter was published and has copies, whose files were filed as such: it stays
-- The file is moved afterwards; a crash in between is finished by `imr dead-letters sweep`.
-- A superseded letter is one that never came, but for its entry in the stream, and for its revision: when its bytes
-- come again they are the next one. That of a dead letter is closed by an audit entry; a published one has the event
-- of the letter that takes its place.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
  or expect(KEYS[4], 'stream') or expect(KEYS[5], 'hash') or expect(KEYS[6], 'hash') or expect(KEYS[7], 'hash')
if wrong then return wrong end

local action, path, named, digest = ARGV[1], ARGV[4], ARGV[5], ARGV[8]
local known = redis.call('HMGET', KEYS[1], 'state', 'revision', 'decisions', 'claim', 'named', 'decided',
  'code')
local state, revision, decisions, claim = known[1], known[2] or '1', known[3] or '0', known[4]

local is_ours = known[7] == 'internal'

local function answer(reply)
  return {reply, state or '', tonumber(revision), tonumber(decisions), known[5] or ''}
end

local function has_copies()
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 5) == 'copy:' then return true end
  end
  return false
end

local allowed = {
  redrive = {dead = true, discarded = true}, discard = {dead = true}, restore = {discarded = true},
  supersede = {published = true, dead = true, discarded = true},
}
if ARGV[9] ~= '' and known[6] == ARGV[9] then return answer('resolved') end
local still = allowed[action][state or ''] and revision == ARGV[2]
if still and decisions ~= ARGV[3] then return answer('conflict') end
if action == 'supersede' and redis.call('HEXISTS', KEYS[6], ARGV[10]) == 0 then
  -- Not being worked on, but a copy of another letter, or done as one: BEGIN writes down which when it is asked again.
  redis.call('HDEL', KEYS[7], ARGV[10])
end
if not still then return answer('conflict') end
if action == 'supersede' and state == 'published' and has_copies() then return answer('stands') end
if path == '' then
  -- Its name in review/ holds its claim id: nobody else can want it.
elseif action == 'restore' then
  if redis.call('HSETNX', KEYS[5], path, digest) == 0 and redis.call('HGET', KEYS[5], path) ~= digest then
    return answer('taken')
  end
elseif redis.call('HGET', KEYS[5], path) == digest then
  redis.call('HDEL', KEYS[5], path)
end

if state ~= 'published' then redis.call('XADD', KEYS[4], '*', 'content-type', ARGV[6], 'data', ARGV[7]) end
count(KEYS[3], state, -1)
count(KEYS[3], 'internal', is_ours and state == 'dead' and -1 or 0)
decisions = tonumber(decisions) + 1
revision = tonumber(revision)
if action == 'redrive' or action == 'supersede' then
  state, revision, decisions = 'waiting', revision + 1, 0
  redis.call('HSET', KEYS[1], 'attempts', 0)
  redis.call('HDEL', KEYS[1], 'entry', 'code')
  if action == 'redrive' and redis.call('HSETNX', KEYS[6], claim, digest) == 1 then
    redis.call('ZADD', KEYS[2], 0, claim)
    redis.call('HDEL', KEYS[7], claim)
  else
    -- The claim's file was written to since, and is another letter: this one has no file any more.
    count(KEYS[3], 'seen', -1)
  end
else
  state = action == 'discard' and 'discarded' or 'dead'
  count(KEYS[3], state, 1)
  count(KEYS[3], 'internal', is_ours and state == 'dead' and 1 or 0)
end
if action == 'supersede' then redis.call('HSET', KEYS[1], 'superseded', ARGV[11]) end
redis.call('HSET', KEYS[1], 'state', state, 'revision', revision, 'decisions', decisions, 'named', named,
  'decided', ARGV[9])
return {'resolved', state, revision, decisions, named}
