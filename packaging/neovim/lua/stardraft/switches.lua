-- On, off, and off for a while: in this buffer, or everywhere in this editor. The server is told, so that it rests too.

local client_of = require('stardraft.client')
local suggestion = require('stardraft.suggestion')

local M = {}

local function tell_all(method, params)
  for _, client in ipairs(client_of.all()) do
    client_of.request(client, method, params, function(err)
      if err then
        vim.notify('stardraft: ' .. (err.message or vim.inspect(err)), vim.log.levels.WARN)
      end
    end, vim.api.nvim_get_current_buf())
  end
end

---@param options {buffer: boolean?}?
function M.set(is_on, options)
  if options and options.buffer then
    vim.b.stardraft = is_on
    if is_on then
      client_of.attach(vim.api.nvim_get_current_buf())
    end
  else
    suggestion.switch(is_on)
    tell_all('stardraft/switch', { enabled = is_on })
  end
  if not is_on then
    suggestion.clear()
  end
  vim.cmd.redrawstatus({ bang = true })
end

function M.toggle(options)
  if options and options.buffer then
    M.set(vim.b.stardraft == false, options)
  else
    M.set(not suggestion.is_on())
  end
end

---@param minutes number?
function M.snooze(minutes)
  suggestion.clear()
  tell_all('stardraft/snooze', { minutes = minutes or 60 })
end

return M
