-- RESOLVE: a person's decision about a dead letter, its audit entry and its effect in one step.
--   KEYS  1 letter (hash)   2 open (zset)   3 counts (hash)   4 dead letters (stream)   5 review names (hash)
--         6 open letters (hash)
--   ARGV  1 'redrive', 'discard' or 'restore'   2 revision and 3 decisions as the person saw them
--         4 hash of the path in review/, or '' as in FINISH   5 'plain' or 'claim'   6 content type   7 event   8 digest
--   -> {verdict, state, revision, decisions, named}
--        resolved   the decision stands
--        conflict   somebody decided meanwhile, or the state does not allow it: nothing was changed
--        taken      restore: another letter has that name in review/ now: ask again with the other name
-- The file is moved afterwards; a crash in between is finished by `imr dead-letters sweep`.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
  or expect(KEYS[4], 'stream') or expect(KEYS[5], 'hash') or expect(KEYS[6], 'hash')
if wrong then return wrong end

local action, path, named = ARGV[1], ARGV[4], ARGV[5]
local known = redis.call('HMGET', KEYS[1], 'state', 'revision', 'decisions', 'claim', 'named')
local state, revision, decisions = known[1], known[2] or '1', known[3] or '0'
local allowed = {redrive = {dead = true, discarded = true}, discard = {dead = true}, restore = {discarded = true}}
if not allowed[action][state or ''] or revision ~= ARGV[2] or decisions ~= ARGV[3] then
  return {'conflict', state or '', tonumber(revision), tonumber(decisions), known[5] or ''}
end
if path == '' then
  -- Its name in review/ holds its claim id: nobody else can want it.
elseif action == 'restore' then
  if redis.call('HSETNX', KEYS[5], path, ARGV[8]) == 0 and redis.call('HGET', KEYS[5], path) ~= ARGV[8] then
    return {'taken', state, tonumber(revision), tonumber(decisions), known[5] or ''}
  end
elseif redis.call('HGET', KEYS[5], path) == ARGV[8] then
  redis.call('HDEL', KEYS[5], path)
end

redis.call('XADD', KEYS[4], '*', 'content-type', ARGV[6], 'data', ARGV[7])
count(KEYS[3], state, -1)
decisions = tonumber(decisions) + 1
revision = tonumber(revision)
if action == 'redrive' then
  state, revision, decisions = 'waiting', revision + 1, 0
  redis.call('HSET', KEYS[1], 'attempts', 0)
  redis.call('HDEL', KEYS[1], 'entry', 'code')
  if redis.call('HSETNX', KEYS[6], known[4], ARGV[8]) == 1 then
    redis.call('ZADD', KEYS[2], 0, known[4])
  else
    -- The claim's file was written to since, and is open as another letter: this one has no file any more.
    count(KEYS[3], 'seen', -1)
  end
else
  state = action == 'discard' and 'discarded' or 'dead'
  count(KEYS[3], state, 1)
end
redis.call('HSET', KEYS[1], 'state', state, 'revision', revision, 'decisions', decisions, 'named', named)
return {'resolved', state, revision, decisions, named}
