-- Prepended to every script. A script checks the types of its keys before its first write: Redis does not roll back,
-- and a key of another type planted in the middle would leave half of a step.
--
-- The record of a letter, `<prefix>:letter:<digest>`, a hash:
--   state      waiting | working | published | dead | discarded
--   claim      id of the claim whose file this letter is (copies of the same bytes are duplicates)
--   attempts   attempts begun in this revision, counted before the work
--   token      who works on it; gone when nobody does
--   lease      until when, in ms of this server's clock
--   counted    1 if this lease counted an attempt, 0 if it was given for a dead letter only
--   revision   from 1; a redrive begins the next one
--   decisions  decisions taken about this revision
--   entry      id of the stream entry that told the outcome
--   superseded digest of the letter that the file became after this one was finished; it is none any more until its
--              bytes come again
--   decided    token of the last decision, so that a repeated call is told from somebody else's
--   named      how the file is named in review/: plain (its own name) or claim (with the claim id before it)
--   code       why it is dead
--   incomplete ms since when it is known to break off before its end; gone with nothing, other bytes are another letter
--   copy:<id>  ms when a duplicate was counted under that claim
--
-- The counts close because `seen` counts claims, each once, wherever it stands: in `open`, as the claim of a finished
-- letter, or as a copy. A claim can change its letter: its file was written to after it was read, and is other bytes now.
local seen = {}
local function expect(key, kind)
  -- Nobody else writes while a script runs: what was of a type, or not there, is of the type that we gave it.
  if seen[key] then return nil end
  local found = redis.call('TYPE', key)['ok']
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGKIND ' .. key .. ' is a ' .. found .. ', expected a ' .. kind)
  end
  seen[key] = true
  return nil
end

local asked_ms
local function now_ms()
  if not asked_ms then
    local time = redis.call('TIME')
    asked_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return asked_ms
end

-- A claim stands in `open` and in `open letters` together; 1 if it did, for this letter or for any.
local function leave_open(open, letters, claim)
  redis.call('ZREM', open, claim)
  return redis.call('HDEL', letters, claim)
end

-- The letter is nobody's, and its attempt is taken off the count. First what needs no memory: a server that is out of it
-- refuses a script whose first write does.
local function give_back(letter, open, letters, claim, digest)
  local known = redis.call('HMGET', letter, 'attempts', 'counted')
  redis.call('HDEL', letter, 'token', 'lease', 'counted')
  redis.call('HSET', letter, 'state', 'waiting', 'attempts', tonumber(known[1] or '1') - tonumber(known[2] or '1'))
  if redis.call('HGET', letters, claim) == digest then redis.call('ZADD', open, 0, claim) end
end

local function count(counts, name, more)
  if more ~= 0 then redis.call('HINCRBY', counts, name, more) end
end

-- What a claim was finished as, while its file is not filed away: `<digest>:<revision>`, the id of the event, or
-- `copy:<digest>`. The result of an earlier content of the same file: it has another digest. '' if there is none.
local function earlier_result(finished, claim, digest)
  local value = redis.call('HGET', finished, claim) or ''
  local was = string.match(value, '^(.*):')
  if not was or was == 'copy' or was == digest then return '' end
  return value
end

local function is_done(state)
  return state == 'published' or state == 'dead' or state == 'discarded'
end
