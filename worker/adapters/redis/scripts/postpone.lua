-- POSTPONE: give an incomplete letter back untried, until it has been incomplete for too long.
--   KEYS  1 letter (hash)   2 open (zset)   3 open letters (hash)
--   ARGV  1 claim id   2 token   3 digest   4 patience ms
--   -> 1 given back; 0 the lease is lost, or it has been incomplete for longer: a lease that was held is still held
-- A letter is identified by its bytes, so the time begins again with each change of the file.
-- Killed before: nothing happened, and the lease runs out. Killed after, or the reply lost: it was given back.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
if wrong then return wrong end

local known = redis.call('HMGET', KEYS[1], 'state', 'token', 'incomplete')
if known[1] ~= 'working' or known[2] ~= ARGV[2] then return 0 end
local now = now_ms()
if now - tonumber(known[3] or now) >= tonumber(ARGV[4]) then return 0 end
give_back(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3])
redis.call('HSETNX', KEYS[1], 'incomplete', now)
return 1
