-- PROLONG: keep a letter longer, by its token only.
--   KEYS  1 letter (hash)   2 open (zset)
--   ARGV  1 claim id   2 token   3 lease ms
--   -> 1 prolonged, 0 no longer yours
local wrong = expect(KEYS[1], 'hash') or expect(KEYS[2], 'zset')
if wrong then return wrong end

local known = redis.call('HMGET', KEYS[1], 'state', 'token')
if known[1] ~= 'working' or known[2] ~= ARGV[2] then return 0 end
local lease = now_ms() + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'lease', lease)
redis.call('ZADD', KEYS[2], lease, ARGV[1])
return 1
