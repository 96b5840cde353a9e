-- The keys of a suggestion. They exist only while one is shown, as mappings of its buffer over whatever was there
-- before, which comes back when the suggestion goes: without a suggestion every key does what it always did.

local config = require('stardraft.config')

local M = {}

local api = vim.api

---@class stardraft.Taken
---@field bufnr integer
---@field keys table<string, {ours: function, before: table?}> before: the buffer's own mapping that ours hides
local taken ---@type stardraft.Taken?

local ACTIONS = { 'accept', 'accept_word', 'accept_line', 'dismiss', 'next', 'previous' }

local function mapping_of(bufnr, key)
  return api.nvim_buf_call(bufnr, function()
    local found = vim.fn.maparg(key, 'i', false, true)
    return found.buffer == 1 and found or nil
  end)
end

--- What the key does while a suggestion is shown; where there is none after all, what it did before.
local function press(action, key)
  if not require('stardraft.suggestion')[action]() then
    M.release()
    api.nvim_feedkeys(api.nvim_replace_termcodes(key, true, true, true), 'mi', false)
  end
end

--- A suggestion is shown in the buffer: its keys are ours.
function M.take(bufnr)
  if taken and taken.bufnr == bufnr then
    return
  end
  M.release()
  taken = { bufnr = bufnr, keys = {} }
  for _, action in ipairs(ACTIONS) do
    local key = config.get().keys[action]
    if key then
      local function ours()
        press(action, key)
      end
      taken.keys[key] = { ours = ours, before = mapping_of(bufnr, key) }
      vim.keymap.set('i', key, ours, { buffer = bufnr, nowait = true, desc = 'stardraft: ' .. action:gsub('_', ' ') })
    end
  end
end

--- No suggestion is shown any more: the keys are what they were.
function M.release()
  local released = taken
  taken = nil
  if not released or not api.nvim_buf_is_valid(released.bufnr) then
    return
  end
  for key, mapping in pairs(released.keys) do
    local now = mapping_of(released.bufnr, key)
    -- Whoever mapped the key meanwhile keeps it.
    if now and now.callback == mapping.ours then
      vim.keymap.del('i', key, { buffer = released.bufnr })
      if mapping.before then
        api.nvim_buf_call(released.bufnr, function()
          vim.fn.mapset('i', false, mapping.before)
        end)
      end
    end
  end
end

--- The one key that is always there, unless something else has it: it asks for a suggestion.
function M.map_trigger()
  local key = config.get().keys.trigger
  if key and vim.fn.maparg(key, 'i') == '' then
    vim.keymap.set('i', key, function()
      require('stardraft.suggestion').trigger()
    end, { desc = 'stardraft: ask for a suggestion' })
  end
end

return M
