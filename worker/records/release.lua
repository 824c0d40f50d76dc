-- RELEASE: give a letter back untried, because something other than the letter failed (disk, share, memory).
--   KEYS  1 letter (hash)   2 open (zset)
--   ARGV  1 claim id   2 token
--   -> 1 given back, 0 no longer yours
-- The attempt is taken off the count: only a letter's own failures make it poison. The reaper hints it again.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset')
if wrong then return wrong end

local known = redis.call('HMGET', KEYS[1], 'state', 'token', 'attempts')
if known[1] ~= 'working' or known[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'waiting', 'attempts', math.max(0, tonumber(known[3]) - 1))
redis.call('HDEL', KEYS[1], 'token', 'lease')
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return 1
