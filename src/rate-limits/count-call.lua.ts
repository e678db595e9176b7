/**
 * Counts one call in every window, or, when one of them is full, in none: `advance`, and the comparison in `judge`, of `sliding-window.ts`.
 * KEYS: one hash a window, {cell, current, previous}. ARGV: milliseconds of the window, then the limit of each.
 * Returns the time in ms, then [cell, current, previous] of each window, before this call. The clock is Redis' own, so that processes need not agree on the time.
 */
export const COUNT_CALL = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
local cell = math.floor(now / window)
local reply = { now }
local allowed = true

for at, key in ipairs(KEYS) do
  local stored = redis.call('HMGET', key, 'cell', 'current', 'previous')
  local cells = { tonumber(stored[1] or 0), tonumber(stored[2] or 0), tonumber(stored[3] or 0) }
  if cell ~= cells[1] and cell ~= cells[1] - 1 then
    cells = { cell, 0, cell == cells[1] + 1 and cells[2] or 0 }
  end
  local counted = cells[3] * (window - now % window) + cells[2] * window
  allowed = allowed and counted < tonumber(ARGV[at + 1]) * window
  reply[at + 1] = cells
end

if allowed then
  for at, key in ipairs(KEYS) do
    local cells = reply[at + 1]
    redis.call('HSET', key, 'cell', cells[1], 'current', cells[2] + 1, 'previous', cells[3])
    redis.call('PEXPIRE', key, 2 * window)
  end
end
return reply
`;
