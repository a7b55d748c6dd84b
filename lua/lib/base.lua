-- What every script starts from: the server's clock, exact text for large numbers, checked arguments.
local call = redis.call

local clock = call('TIME')
local NOW = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local NOW_US = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

-- In a cluster's slot on the move, a server refuses a script any key that it does not have (any more), in the middle
-- of the script. This key is never there, so that such a script ends here, before its first write.
call('GET', KEYS[1] .. ':moving')

-- Lua numbers are doubles: tostring and '..' would round a token to 14 digits.
local function text(number)
  return string.format('%.0f', number)
end

-- A sorted set's score; the score of a lease without an end is 'inf'.
local function score_of(value)
  if value == 'inf' then
    return math.huge
  end
  return tonumber(value)
end

-- Milliseconds from now until a moment; -1 stands for "never by itself".
local function until_moment(moment)
  if moment == math.huge then
    return -1
  end
  return math.max(0, moment - NOW)
end

-- ARGV[i] as a whole number from `least` to `most`; anything else fails before the first write.
local function whole(i, name, least, most)
  local number = tonumber(ARGV[i])
  if not number or number ~= math.floor(number) or number < least or number > (most or 2 ^ 53) then
    error('KONDUCTOR argument ' .. name .. ' must be a whole number, got ' .. tostring(ARGV[i]))
  end
  return number
end
