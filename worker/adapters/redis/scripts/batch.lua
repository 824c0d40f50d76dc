-- Appended to every script, which is the function `step` above: runs it for each letter of a batch, in order.
--   KEYS  keys of the first letter, of the second, ...
--   ARGV  1 keys per letter   2 arguments per letter   then the arguments of the first letter, of the second, ...
--   -> the replies in order; a letter that `step` refuses has an error as its reply, and the others are not affected
-- Killed before: nothing happened to any letter. Killed after: it happened to all of them.
local keys_each, arguments_each = tonumber(ARGV[1]), tonumber(ARGV[2])
local replies = {}
for number = 1, #KEYS / keys_each do
  local keys, arguments = {}, {}
  for index = 1, keys_each do keys[index] = KEYS[(number - 1) * keys_each + index] end
  for index = 1, arguments_each do arguments[index] = ARGV[2 + (number - 1) * arguments_each + index] end
  replies[number] = step(keys, arguments)
end
return replies
