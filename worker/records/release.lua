-- RELEASE: give a letter back untried, because something other than the letter failed (disk, share, memory).
--   KEYS  1 letter (hash)   2 open (zset)   3 open letters (hash)
--   ARGV  1 claim id   2 token   3 digest
--   -> 1 given back, 0 no longer yours
-- The attempt is taken off the count: only a letter's own failures make it poison. The reaper hints it again.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
if wrong then return wrong end

local known = redis.call('HMGET', KEYS[1], 'state', 'token', 'attempts', 'counted')
if known[1] ~= 'working' or known[2] ~= ARGV[2] then return 0 end
-- First what needs no memory: a server that is out of it refuses a script whose first write does.
redis.call('HDEL', KEYS[1], 'token', 'lease', 'counted')
redis.call('HSET', KEYS[1], 'state', 'waiting', 'attempts', tonumber(known[3] or '1') - tonumber(known[4] or '1'))
if redis.call('HGET', KEYS[3], ARGV[1]) == ARGV[3] then redis.call('ZADD', KEYS[2], 0, ARGV[1]) end
return 1
