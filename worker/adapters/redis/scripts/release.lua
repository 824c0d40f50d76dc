-- RELEASE: give a letter back untried, because something other than the letter failed (disk, share, memory).
--   KEYS  1 letter (hash)   2 open (zset)   3 open letters (hash)
--   ARGV  1 claim id   2 token   3 digest
--   -> 1 given back, 0 no longer yours
-- The attempt is taken off the count: only a letter's own failures make it poison. The reaper hints it again.
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
if wrong then return wrong end

local known = redis.call('HMGET', KEYS[1], 'state', 'token')
if known[1] ~= 'working' or known[2] ~= ARGV[2] then return 0 end
give_back(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3])
return 1
