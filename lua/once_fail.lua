-- Notes that a run has failed, and lets the next one run.
-- KEYS: dirty index seq meta leases weights queue ageing waiting events
-- ARGV: request holder token reason
-- REPLY: code next_change_ms executor
-- GUARANTEE: only whoever has the lease to run; a retry answers as the first call did, and ends no later run.
--@include lib/once

local request, holder, token, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local object = object_at(4)

local function fail()
  local current, refusal = lease_to_run(object, holder, token)
  if not current then
    return refusal
  end
  stop_running(object, holder)
  call('HINCRBY', object.meta, 'failures', 1)
  call('HSET', object.meta, 'failed', text(NOW), 'failer', holder, 'reason', reason)
  remember(object, request, FAILED)
  record(object, 'failed', holder, current, '', reason)
  return FAILED
end

local function decide()
  if recall(object, request) then
    return FAILED
  elseif not object.epoch then
    return ABSENT
  elseif object.done then
    return DONE
  end
  return fail()
end

local code = decide()
finish()
return {code, until_moment(next_moment(object)), call('HGET', object.meta, 'executor') or ''}
