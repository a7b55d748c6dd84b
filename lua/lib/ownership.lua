-- Who may define or delete an object: 'cli', or the custom resource 'cr/<uid>' that owns it.
--@include lib/base

-- True when `owner` is the library or koncli and a custom resource owns the object.
local function is_foreign(current, owner)
  return owner == 'cli' and string.sub(current, 1, 3) == 'cr/'
end

-- True when one custom resource replaces another of the same name: a new life of the object.
local function is_successor(current, owner)
  return current ~= owner and string.sub(current, 1, 3) == 'cr/' and string.sub(owner, 1, 3) == 'cr/'
end
