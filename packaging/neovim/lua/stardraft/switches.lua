-- On, off, and off for a while: in this buffer, or everywhere in this editor. The servers are told, so that they rest,
-- too; one that starts later is told then.

local client_of = require('stardraft.client')
local config = require('stardraft.config')
local suggestion = require('stardraft.suggestion')

local M = {}

local snoozed_until_ms = 0 -- of vim.uv.now()

local function request(client, method, params)
  client_of.request(client, method, params, function(err)
    if err then
      require('stardraft.message').say('stardraft: ' .. (err.message or vim.inspect(err)), 'WarningMsg')
    end
  end, vim.api.nvim_get_current_buf())
end

local function tell_all(method, params)
  for _, client in ipairs(client_of.all()) do
    request(client, method, params)
  end
end

local function minutes_left()
  return math.max(0, snoozed_until_ms - vim.uv.now()) / 60000
end

--- Whole minutes until suggestions come back by themselves; 0 when they are not snoozed.
function M.n_minutes_left()
  return math.ceil(minutes_left())
end

--- A server has come: it rests if the others do.
function M.tell(client)
  if not suggestion.is_on() then
    request(client, 'stardraft/switch', { enabled = false })
  elseif minutes_left() > 0 then
    request(client, 'stardraft/snooze', { minutes = minutes_left() })
  end
end

--- The buffer's own switch is there only while it says something else than the settings do.
local function set_buffer(is_on)
  local bufnr = vim.api.nvim_get_current_buf()
  vim.b[bufnr].stardraft = nil
  if config.is_wanted(bufnr) ~= is_on then
    vim.b[bufnr].stardraft = is_on
  end
  if is_on then
    client_of.attach(bufnr)
  end
end

---@param options {buffer: boolean?}?
function M.set(is_on, options)
  if options and options.buffer then
    set_buffer(is_on)
  else
    snoozed_until_ms = 0
    suggestion.switch(is_on)
    tell_all('stardraft/switch', { enabled = is_on })
  end
  if not is_on then
    suggestion.clear()
  end
  require('stardraft.status').announce()
end

--- Who wants them back after a snooze has them back.
function M.toggle(options)
  if options and options.buffer then
    M.set(not config.is_wanted(vim.api.nvim_get_current_buf()), options)
  else
    M.set(not suggestion.is_on() or minutes_left() > 0)
  end
end

---@param minutes number?
function M.snooze(minutes)
  minutes = minutes or 60
  snoozed_until_ms = vim.uv.now() + minutes * 60000
  suggestion.clear()
  tell_all('stardraft/snooze', { minutes = minutes })
  require('stardraft.status').announce()
end

return M
