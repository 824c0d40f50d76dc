-- PROLONG: extend the lease of a letter; only the worker with its token can.
--   KEYS  1 letter (hash)   2 open (zset)   3 open letters (hash)
--   ARGV  1 claim id   2 token   3 digest   4 lease ms
--   -> 1 prolonged, 0 the lease is lost
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset') or expect(KEYS[3], 'hash')
if wrong then return wrong end

local known = redis.call('HMGET', KEYS[1], 'state', 'token')
if known[1] ~= 'working' or known[2] ~= ARGV[2] then return 0 end
local lease = now_ms() + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'lease', lease)
if redis.call('HGET', KEYS[3], ARGV[1]) == ARGV[3] then redis.call('ZADD', KEYS[2], lease, ARGV[1]) end
return 1
