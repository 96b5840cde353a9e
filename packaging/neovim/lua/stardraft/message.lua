-- Messages, none of which asks for Enter.
-- `say`: what nobody asked for, such as a server's warning while somebody types. One line, cut to what fits, once: the
-- message line, but while "-- INSERT --" and the like are drawn over that, the status line, and the message line after it.
-- No line of the text is covered. It is in :messages, too, and `:Stardraft status` has all of it.
-- `answer`: what a command was asked for. All of it: where it takes more than a line, in a window at the cursor.

local M = {}

local api = vim.api
local SHOWN_MS = 8000

local window ---@type integer? over the status line
local watch ---@type integer? the autocommand that waits for the mode's end
local n_said = 0
local was_cut = '' -- the last of what was said, where it did not fit

--- As much of a line as fits into so many columns.
local function cut(line, room)
  if api.nvim_strwidth(line) <= room then
    return line
  end
  local n = vim.fn.strchars(line)
  while n > 0 and api.nvim_strwidth(vim.fn.strcharpart(line, 0, n)) > room - 1 do
    n = n - 1
  end
  return vim.fn.strcharpart(line, 0, n) .. '…'
end

local function close()
  if window and api.nvim_win_is_valid(window) then
    api.nvim_win_close(window, true)
  end
  if watch then
    api.nvim_del_autocmd(watch)
  end
  window, watch = nil, nil
end

--- What was said last does not hold any more.
function M.take_back()
  close()
  api.nvim_echo({ { '' } }, false, {})
end

--- Whether "-- INSERT --" or the like stands where messages stand.
local function is_mode_shown()
  return vim.o.showmode and api.nvim_get_mode().mode:find('^[iRvVsS\22\19]') ~= nil
end

local function has_status_line()
  return vim.o.laststatus >= 2 or (vim.o.laststatus == 1 and vim.fn.winnr('$') > 1)
end

--- Shows a line over the status line, which takes no room from the text.
local function cover_status_line(line, highlight)
  local text = cut(line, vim.o.columns)
  local bufnr = api.nvim_create_buf(false, true)
  vim.bo[bufnr].bufhidden = 'wipe'
  api.nvim_buf_set_lines(bufnr, 0, -1, false, { text })
  local is_open, opened = pcall(api.nvim_open_win, bufnr, false, {
    relative = 'editor',
    anchor = 'NW',
    row = vim.o.lines - vim.o.cmdheight - 1,
    col = 0,
    width = math.max(1, api.nvim_strwidth(text)),
    height = 1,
    style = 'minimal',
    focusable = false,
    noautocmd = true,
  })
  if is_open then -- none can be opened in some places, such as the command-line window
    window = opened
    vim.wo[window].winhighlight = 'NormalFloat:' .. (highlight or 'NormalFloat')
  end
end

--- Who says it, once: the server and the program begin their own messages so.
local function named(sentence)
  local line = vim.trim((sentence:gsub('%s+', ' ')))
  return vim.startswith(line, 'stardraft') and line or 'stardraft: ' .. line
end

--- The last of what was said, where it was cut, to be shown whole; "" where all of it was seen.
---@return string
function M.take_cut()
  local whole = was_cut
  was_cut = ''
  return whole
end

---@param highlight string?
function M.say(sentence, highlight)
  close()
  local line = named(sentence)
  was_cut = api.nvim_strwidth(line) > vim.v.echospace and line or ''
  local shown = { { cut(line, vim.v.echospace), highlight } }
  api.nvim_echo(shown, true, {})
  if not is_mode_shown() then
    return
  end
  if has_status_line() then
    cover_status_line(line, highlight)
  end
  watch = api.nvim_create_autocmd('ModeChanged', {
    pattern = '*:n*',
    callback = vim.schedule_wrap(function()
      close()
      api.nvim_echo(shown, false, {})
    end),
  })
  n_said = n_said + 1
  local said = n_said
  vim.defer_fn(function()
    if said == n_said then
      close()
    end
  end, SHOWN_MS)
end

---@param level integer?
function M.answer(sentence, level)
  local line = vim.trim((sentence:gsub('%s+', ' ')))
  if api.nvim_strwidth(line) <= vim.v.echospace then
    vim.notify(line, level or vim.log.levels.INFO)
  else
    vim.lsp.util.open_floating_preview({ line }, '', { wrap = true, max_width = math.min(80, vim.o.columns - 4), title = 'stardraft', border = 'single' })
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
