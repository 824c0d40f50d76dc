-- BEGIN: take a letter to work on; the attempt is counted before any work is done.
--   KEYS  1 letter (hash)   2 open (zset)   3 counts (hash)   4 open letters (hash)   5 finished (hash)
--   ARGV  1 claim id   2 token   3 lease ms   4 attempts allowed   5 'batch' or 'alone'   6 digest
--   -> {reply, state, revision, attempts, entry, named, earlier}
--        go         the caller has the letter: attempt counted, lease granted
--        alone      it was tried before: begin it with 'alone', so that a poison letter spends only its own attempts
--        poison     its attempts are used up: the caller has it, only to write its dead letter
--        held       another worker has the lease
--        done       finished under this claim: file it away
--        duplicate  the same bytes were finished under another claim; counted once per claim
--      earlier: with done and duplicate, the id of the event of this file's earlier content; else ''. That event has to
--      be superseded (RESOLVE) and the letter begun again before the file is filed away.
-- Killed before: nothing happened. Killed after, or reply lost: the lease runs out, and the next attempt is counted.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash') or expect(KEYS[4], 'hash')
  or expect(KEYS[5], 'hash')
if wrong then return wrong end

local claim, token, lease_ms, max_attempts, mode = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local digest = ARGV[6]
local known = redis.call('HMGET', KEYS[1], 'state', 'claim', 'attempts', 'lease', 'revision', 'entry', 'named')
local state, owner = known[1], known[2]
local attempts, lease = tonumber(known[3] or '0'), tonumber(known[4] or '0')
local revision, entry, named = tonumber(known[5] or '1'), known[6] or '', known[7] or ''
local now = now_ms()

local function answer(reply, earlier)
  return {reply, state or '', revision, attempts, entry, named, earlier or ''}
end

if is_done(state) then
  local was_open = leave_open(KEYS[2], KEYS[4], claim)
  local copies = owner == claim and 0 or redis.call('HSETNX', KEYS[1], 'copy:' .. claim, now)
  count(KEYS[3], 'duplicate', copies)
  count(KEYS[3], 'seen', copies - was_open)
  local earlier = earlier_result(KEYS[5], claim, digest)
  if earlier == '' then
    redis.call('HSET', KEYS[5], claim, owner == claim and digest .. ':' .. revision or 'copy:' .. digest)
  end
  return answer(owner == claim and 'done' or 'duplicate', earlier)
end
if lease > now then return answer('held') end
if attempts > 0 and mode == 'batch' then return answer('alone') end

if state and owner ~= claim and redis.call('HGET', KEYS[4], owner) == digest then
  -- A copy takes over. From now on the owner's file is the copy; it is counted as such when it is begun.
  leave_open(KEYS[2], KEYS[4], owner)
  count(KEYS[3], 'seen', -1)
end
if state and redis.call('HDEL', KEYS[1], 'copy:' .. claim) == 1 then
  count(KEYS[3], 'duplicate', -1)
  count(KEYS[3], 'seen', -1)
end

local counted = attempts < max_attempts and 1 or 0
attempts = attempts + counted
redis.call('HSET', KEYS[1], 'state', 'working', 'claim', claim, 'attempts', attempts, 'counted', counted,
  'token', token, 'lease', now + lease_ms, 'revision', revision)
redis.call('ZADD', KEYS[2], now + lease_ms, claim)
-- HSET gives 1 if the claim was not open for any letter yet.
count(KEYS[3], 'seen', redis.call('HSET', KEYS[4], claim, digest))
return answer(counted == 1 and 'go' or 'poison')
