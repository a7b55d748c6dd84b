-- Takes objects out of the set of changed ones, as far as nothing has changed since they were looked at.
-- KEYS: dirty
-- ARGV: (object looked_at_ms)*
-- REPLY: code next_change_ms now_ms
-- GUARANTEE: what changed in the very millisecond of the look, or later, stays.
--@include lib/codes
--@include lib/base

for i = 1, #ARGV, 2 do
  local looked_at = whole(i + 1, 'looked_at_ms', 0)
  local changed = tonumber(call('ZSCORE', KEYS[1], ARGV[i]) or '')
  if changed and changed < looked_at then
    call('ZREM', KEYS[1], ARGV[i])
  end
end
return {CLEANED, -1, text(NOW)}
