-- What is said while somebody types: one line, cut to what fits, so that Neovim never asks for Enter. All of it is in
-- :messages.

local M = {}

local api = vim.api
local is_shown = false

--- As much of a line as fits before the hit-enter prompt.
local function cut(line)
  local room = vim.v.echospace
  if api.nvim_strwidth(line) <= room then
    return line
  end
  local n = vim.fn.strchars(line)
  while n > 0 and api.nvim_strwidth(vim.fn.strcharpart(line, 0, n)) > room - 1 do
    n = n - 1
  end
  return vim.fn.strcharpart(line, 0, n) .. '…'
end

---@param highlight string?
function M.say(sentence, highlight)
  local line = vim.trim((sentence:gsub('%s+', ' ')))
  vim.cmd({ cmd = 'echomsg', args = { vim.fn.string(line) }, mods = { silent = true } })
  api.nvim_echo({ { cut(line), highlight } }, false, {})
  is_shown = true
end

--- What was said last is over.
function M.clear()
  if is_shown then
    api.nvim_echo({ { '' } }, false, {})
    is_shown = false
  end
end

--- The handler of `window/showMessage`: the server's errors, each in one line.
function M.on_message(_, params)
  if type(params) == 'table' and type(params.message) == 'string' then
    local types = vim.lsp.protocol.MessageType
    M.say(params.message, params.type == types.Error and 'ErrorMsg' or params.type == types.Warning and 'WarningMsg' or nil)
  end
  return params
end

return M
