-- Appended to every script, which stands above as `step`: runs it for each letter of a batch, in order.
--   KEYS  those of the first letter, those of the second, ...
--   ARGV  1 keys of a letter   2 arguments of a letter   then the arguments of the first letter, those of the second, ...
--   -> the replies in order; a letter that `step` refuses has an error in its place, and the others stand
-- Killed before: nothing happened to any of them. Killed after: to all of them.
local keys_each, arguments_each = tonumber(ARGV[1]), tonumber(ARGV[2])
local replies = {}
for number = 1, #KEYS / keys_each do
  local keys, arguments = {}, {}
  for index = 1, keys_each do keys[index] = KEYS[(number - 1) * keys_each + index] end
  for index = 1, arguments_each do arguments[index] = ARGV[2 + (number - 1) * arguments_each + index] end
  replies[number] = step(keys, arguments)
end
return replies
