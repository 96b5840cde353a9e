-- stardraft in Neovim: what a configuration may call. Each function is one of another room.
--
--   require('stardraft').setup({ keys = { accept = '<C-y>' } })     optional; vim.g.stardraft = {...} does as well
--   require('stardraft').status()                                   for the status line

local M = {}

local is_started = false

--- Settings, as :help stardraft-settings has them. Without it the plugin works as it comes.
function M.setup(settings)
  if vim.fn.has('nvim-0.10') == 0 then
    return -- plugin/stardraft.lua has said so
  end
  require('stardraft.config').set(settings)
  if is_started then
    require('stardraft.keys').map_trigger()
  end
end

--- Begins: files get their server, insert mode its suggestions. plugin/stardraft.lua calls it.
function M.start()
  if is_started then
    return
  end
  is_started = true
  require('stardraft.events').watch()
end

--- Suggestions on, for all buffers, or for the current one with { buffer = true }.
function M.enable(options)
  require('stardraft.switches').set(true, options)
end

function M.disable(options)
  require('stardraft.switches').set(false, options)
end

function M.toggle(options)
  require('stardraft.switches').toggle(options)
end

--- None for so many minutes (60); 0 ends it.
function M.snooze(minutes)
  require('stardraft.switches').snooze(minutes)
end

--- Takes what is shown. Each of these returns false where there is nothing, for mappings of your own.
---@return boolean
function M.accept()
  return require('stardraft.suggestion').accept()
end

---@return boolean
function M.accept_word()
  return require('stardraft.suggestion').accept_word()
end

---@return boolean
function M.accept_line()
  return require('stardraft.suggestion').accept_line()
end

---@return boolean
function M.dismiss()
  return require('stardraft.suggestion').dismiss()
end

---@return boolean
function M.next()
  return require('stardraft.suggestion').next()
end

---@return boolean
function M.previous()
  return require('stardraft.suggestion').previous()
end

--- Asks now, whatever `auto` says.
---@return boolean
function M.trigger()
  return require('stardraft.suggestion').trigger()
end

---@return boolean
function M.is_visible()
  return require('stardraft.suggestion').is_visible()
end

--- For the status line: a few letters, "" where stardraft does not serve the buffer.
---@return string
function M.status(bufnr)
  if not is_started then
    return ''
  end
  return require('stardraft.status').line(bufnr)
end

--- All that the server says: { state, message, reason, model }; nil where it does not serve the buffer.
function M.report(bufnr)
  return require('stardraft.status').report(bufnr)
end

return M
