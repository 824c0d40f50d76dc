-- Prepended to every script. A script checks the types of its keys before its first write: Redis does not roll back, so
-- a key of another type would end the script in the middle and leave half of a step.
--
-- The record of a letter, `<prefix>:letter:<digest>`, a hash:
--   state      waiting | working | published | dead | discarded
--   claim      id of the claim whose file is this letter (other files with the same bytes are copies)
--   attempts   attempts begun in this revision, counted before the work
--   token      of the worker that has the lease; absent while no worker has it
--   lease      when the lease ends, in ms of this server's clock
--   counted    1 if this lease counted an attempt, 0 if it was given only to write a dead letter
--   revision   from 1; a redrive begins the next one
--   decisions  decisions taken about this revision
--   entry      id of the stream entry with the outcome
--   superseded digest of the letter that its file became when it was written to after this letter was finished; until
--              its bytes arrive again, this letter has no file
--   decided    token of the last decision: a call with the same token is a repetition, not another decision
--   named      name of the file in review/: plain (its own name) or claim (with the claim id before it)
--   code       why it is dead
--   incomplete time in ms when it was first seen to be incomplete; never removed: other bytes are another letter
--   copy:<id>  time in ms when a copy was counted under that claim
--
-- The counts balance because `seen` counts each claim once, wherever it is recorded: in `open`, as the claim of a
-- finished letter, or as a copy. A claim can change its letter: when its file is written to, it has other bytes.
local checked = {}
local function expect(key, kind)
  -- Nothing else writes while a script runs, so each key is checked once: afterwards only this script changes it.
  if checked[key] then return nil end
  local actual = redis.call('TYPE', key)['ok']
  if actual ~= 'none' and actual ~= kind then
    return redis.error_reply('WRONGKIND ' .. key .. ' is a ' .. actual .. ', expected a ' .. kind)
  end
  checked[key] = true
  return nil
end

local cached_ms
local function now_ms()
  if not cached_ms then
    local time = redis.call('TIME')
    cached_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return cached_ms
end

-- A claim is in `open` and in `open letters`, or in neither. Removes it from both; 1 if it was there, for any letter.
local function leave_open(open, letters, claim)
  redis.call('ZREM', open, claim)
  return redis.call('HDEL', letters, claim)
end

-- Ends the lease and takes the attempt off the count. The write that needs no memory comes first: a server that is out
-- of memory refuses a script whose first write needs some.
local function give_back(letter, open, letters, claim, digest)
  local known = redis.call('HMGET', letter, 'attempts', 'counted')
  redis.call('HDEL', letter, 'token', 'lease', 'counted')
  redis.call('HSET', letter, 'state', 'waiting', 'attempts', tonumber(known[1] or '1') - tonumber(known[2] or '1'))
  if redis.call('HGET', letters, claim) == digest then redis.call('ZADD', open, 0, claim) end
end

local function count(counts, name, more)
  if more ~= 0 then redis.call('HINCRBY', counts, name, more) end
end

-- The event of an earlier content of the claim's file, which has another digest; '' if there is none. `finished` holds
-- the outcome of a claim until its file is filed away: `<digest>:<revision>` (the event id) or `copy:<digest>`.
local function earlier_result(finished, claim, digest)
  local value = redis.call('HGET', finished, claim) or ''
  local outcome_digest = string.match(value, '^(.*):')
  if not outcome_digest or outcome_digest == 'copy' or outcome_digest == digest then return '' end
  return value
end

local function is_done(state)
  return state == 'published' or state == 'dead' or state == 'discarded'
end
