-- RELEASE: give a letter back untried, because something other than the letter failed (disk, share, memory).
--   KEYS  1 letter (hash)   2 open (zset)   3 open letters (hash)
--   ARGV  1 claim id   2 token   3 digest
--   -> 1 given back, 0 the lease is lost
-- The attempt is taken off the count: only its own failures make a letter poison. The reaper sends its hint again.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
if wrong then return wrong end

local known = redis.call('HMGET', KEYS[1], 'state', 'token')
if known[1] ~= 'working' or known[2] ~= ARGV[2] then return 0 end
give_back(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3])
return 1
