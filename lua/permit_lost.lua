-- Notes in an object's history that a holder has found its lease lost, for whoever looks after the holder's pod.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: request holder token detail
-- REPLY: code next_change_ms
-- GUARANTEE: changes nothing but the history; a retry notes nothing again.
--@include lib/codes
--@include lib/queue

local request, holder, token, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local object = object_at(4)
if object.epoch and not recall(object, request) then
  remember(object, request, LOST)
  record(object, 'lost', holder, token, '', detail)
end
finish()
return {object.epoch and LOST or ABSENT, -1}
