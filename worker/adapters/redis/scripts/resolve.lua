-- RESOLVE: write a decision about a finished letter, its audit entry and its effect, in one step.
--   KEYS  1 letter (hash)   2 open (zset)   3 counts (hash)   4 dead letters (stream)   5 review names (hash)
--         6 open letters (hash)   7 finished (hash)
--   ARGV  1 'redrive', 'discard' or 'restore': by a person, about a dead letter; 'supersede': by a worker, about any
--           finished letter whose file was written to before it was filed away
--         2 revision and 3 decisions that the decider saw
--         4 hash of the path in review/, or '' as in FINISH   5 'plain' or 'claim'   6 content type   7 event  8 digest
--         9 token of this decision   10 claim id and 11 digest of the file's new content, to supersede; else ''
--   -> {reply, state, revision, decisions, named}
--        resolved   the decision is recorded; also when the call is repeated with the same token (first reply lost)
--        conflict   another decision came first, or the state does not allow this one: nothing was changed
--        taken      restore: another letter has that name in review/ now: restore again with the other name
--        stands     supersede: the letter was published and has copies, which were filed as copies of it: it stays
-- The file is moved afterwards; `imr dead-letters sweep` completes the move after a crash in between.
-- A superseded letter counts as never seen, except for its stream entry and its revision: if its bytes arrive again,
-- they are the next revision. An audit entry closes that of a dead letter; a published letter is closed by the event of
-- the letter that replaces it.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
  or expect(KEYS[4], 'stream') or expect(KEYS[5], 'hash') or expect(KEYS[6], 'hash') or expect(KEYS[7], 'hash')
if wrong then return wrong end

local action, path, named, digest = ARGV[1], ARGV[4], ARGV[5], ARGV[8]
local known = redis.call('HMGET', KEYS[1], 'state', 'revision', 'decisions', 'claim', 'named', 'decided',
  'code')
local state, revision, decisions, claim = known[1], known[2] or '1', known[3] or '0', known[4]

local is_internal = known[7] == 'internal'

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
  -- The new content is not being worked on: it is a copy, or finished already. BEGIN records which when it runs again.
  redis.call('HDEL', KEYS[7], ARGV[10])
end
if not still then return answer('conflict') end
if action == 'supersede' and state == 'published' and has_copies() then return answer('stands') end
if path == '' then
  -- The name in review/ contains the claim id: it is unique.
elseif action == 'restore' then
  if redis.call('HSETNX', KEYS[5], path, digest) == 0 and redis.call('HGET', KEYS[5], path) ~= digest then
    return answer('taken')
  end
elseif redis.call('HGET', KEYS[5], path) == digest then
  redis.call('HDEL', KEYS[5], path)
end

if state ~= 'published' then redis.call('XADD', KEYS[4], '*', 'content-type', ARGV[6], 'data', ARGV[7]) end
count(KEYS[3], state, -1)
count(KEYS[3], 'internal', is_internal and state == 'dead' and -1 or 0)
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
    -- The claim's file was written to since and is another letter now: this letter has no file any more.
    count(KEYS[3], 'seen', -1)
  end
else
  state = action == 'discard' and 'discarded' or 'dead'
  count(KEYS[3], state, 1)
  count(KEYS[3], 'internal', is_internal and state == 'dead' and 1 or 0)
end
if action == 'supersede' then redis.call('HSET', KEYS[1], 'superseded', ARGV[11]) end
redis.call('HSET', KEYS[1], 'state', state, 'revision', revision, 'decisions', decisions, 'named', named,
  'decided', ARGV[9])
return {'resolved', state, revision, decisions, named}
