-- Where the buffer's last suggestion came from: a line of the user's own code, or the model.

local client_of = require('stardraft.client')
local message = require('stardraft.message')

local M = {}

local function open(path, line)
  if vim.fn.bufloaded(path) == 0 and vim.fn.filereadable(path) == 0 then
    message.say(('stardraft: %s is not there any more.'):format(vim.fn.fnamemodify(path, ':~:.')), 'WarningMsg')
    return
  end
  vim.cmd.split(vim.fn.fnameescape(path))
  vim.api.nvim_win_set_cursor(0, { math.min(line, vim.api.nvim_buf_line_count(0)), 0 })
  vim.cmd.normal({ args = { '^zvzz' }, bang = true })
end

--- Says it.
---@param is_opened boolean the line is opened in a split instead
function M.show(is_opened)
  local bufnr = vim.api.nvim_get_current_buf()
  local client = client_of.of(bufnr)
  local function take(err, origin)
    if err then
      message.say('stardraft: ' .. err.message, 'WarningMsg')
    elseif type(origin) ~= 'table' then
      message.answer('There is no suggestion.')
    elseif origin.source == 'model' then
      message.answer('The model wrote it.')
    else
      local path, line = vim.uri_to_fname(origin.uri), origin.line + 1
      if is_opened then
        open(path, line)
      else
        message.answer(('%s:%d: %s'):format(vim.fn.fnamemodify(path, ':~:.'), line, vim.trim(origin.text)))
      end
    end
  end
  local params = { textDocument = { uri = vim.uri_from_bufnr(bufnr) } }
  if not client or not client_of.request(client, 'stardraft/origin', params, take, bufnr) then
    message.answer(require('stardraft.status').sentence(bufnr))
  end
end

return M
