-- Prepended to every script. A script checks the types of its keys before its first write: Redis does not roll back,
-- and a key of another type planted in the middle would leave half of a step.
--
-- The record of a letter, `<prefix>:letter:<digest>`, a hash:
--   state      waiting | working | published | dead | discarded
--   claim      id of the claim whose file this letter is (copies of the same bytes are duplicates)
--   attempts   attempts begun in this revision, counted before the work
--   token      who works on it; gone when nobody does
--   lease      until when, in ms of this server's clock
--   revision   from 1; a redrive begins the next one
--   decisions  decisions taken about this revision
--   entry      id of the stream entry that told the outcome
--   named      how the file is named in review/: plain (its own name) or claim (with the claim id before it)
--   code       why it is dead
--   copy:<id>  ms when a duplicate was counted under that claim
local function expect(key, kind)
  local found = redis.call('TYPE', key)['ok']
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGKIND ' .. key .. ' is a ' .. found .. ', expected a ' .. kind)
  end
  return nil
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function is_done(state)
  return state == 'published' or state == 'dead' or state == 'discarded'
end
