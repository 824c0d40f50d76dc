-- FINISH: write the stream entry and the letter's state in one step, once per letter and revision.
--   KEYS  1 letter (hash)   2 open (zset)   3 counts (hash)   4 stream   5 review names (hash)
--         6 open letters (hash)   7 finished (hash)
--   ARGV  1 claim id   2 token   3 revision   4 'published' or 'dead'   5 code
--         6 hash of the path to reserve in review/, or '' for a path that is unique because the claim id is in it
--         7 'plain' or 'claim'   8 content type   9 event   10 digest
--         11 event of this file's earlier content, if the caller has superseded it; else ''
--   -> {reply, entry, state, named}
--        finished   the entry was added now
--        done       the entry was added before, by this claim: the same entry is returned
--        fenced     another worker has the lease: discard the result, that worker is responsible for the letter
--        taken      another letter has that name in review/: finish again with the other name
--        earlier    the file was finished before, with other content; `entry` is the id of that event: supersede it
--                   (RESOLVE), and finish again with an event that says so
-- Killed before: nothing happened. Killed after, or the reply lost: the same call answers 'done'.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
  or expect(KEYS[4], 'stream') or expect(KEYS[5], 'hash') or expect(KEYS[6], 'hash')
  or expect(KEYS[7], 'hash')
if wrong then return wrong end

local claim, token, revision, outcome, code = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local known = redis.call('HMGET', KEYS[1], 'state', 'claim', 'token', 'revision', 'entry', 'named')
local state = known[1]

if is_done(state) and known[2] == claim and known[4] == revision then
  return {'done', known[5] or '', state, known[6] or ''}
end
if state ~= 'working' or known[3] ~= token or known[4] ~= revision then
  return {'fenced', '', state or '', ''}
end
local earlier = earlier_result(KEYS[7], claim, ARGV[10])
if earlier ~= ARGV[11] and earlier ~= '' then return {'earlier', earlier, state, ''} end
if ARGV[6] ~= '' and redis.call('HSETNX', KEYS[5], ARGV[6], ARGV[10]) == 0
  and redis.call('HGET', KEYS[5], ARGV[6]) ~= ARGV[10] then
  return {'taken', '', state, ''}
end
local entry = redis.call('XADD', KEYS[4], '*', 'content-type', ARGV[8], 'data', ARGV[9])
redis.call('HSET', KEYS[1], 'state', outcome, 'entry', entry, 'code', code, 'named', ARGV[7])
redis.call('HDEL', KEYS[1], 'token', 'lease', 'counted', 'superseded')
local was_open = redis.call('HGET', KEYS[6], claim) == ARGV[10] and leave_open(KEYS[2], KEYS[6], claim) or 0
redis.call('HSET', KEYS[7], claim, ARGV[10] .. ':' .. revision)
count(KEYS[3], 'seen', 1 - was_open)
count(KEYS[3], outcome, 1)
count(KEYS[3], 'internal', code == 'internal' and 1 or 0)
return {'finished', entry, outcome, ARGV[7]}
