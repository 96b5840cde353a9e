-- The current buffer and its cursor: where a suggestion was asked for, what was typed since, whether it may be shown.

local config = require('stardraft.config')
local text = require('stardraft.text')

local M = {}

local api = vim.api
local NAMESPACE = api.nvim_create_namespace('stardraft.place')
local MAX_TYPED_LINES = 200

local is_block_insert = false

---@class stardraft.Place where a suggestion is for
---@field bufnr integer
---@field row integer from 0, when it was asked for
---@field line string as it was then
---@field before string of it, what was before the cursor
---@field behind string what is to stand after the cursor for the suggestion to fit
---@field n_consumed integer bytes of what was after the cursor that accepted pieces have covered
---@field mark integer moves with edits elsewhere

--- Row from 0, column in bytes.
---@return integer, integer
function M.cursor()
  local cursor = api.nvim_win_get_cursor(0)
  return cursor[1] - 1, cursor[2]
end

--- The cursor's line after the cursor.
function M.behind()
  local _, column = M.cursor()
  return api.nvim_get_current_line():sub(column + 1)
end

---@return stardraft.Place
function M.place()
  local bufnr = api.nvim_get_current_buf()
  local row, column = M.cursor()
  local line = api.nvim_get_current_line()
  api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  local mark = api.nvim_buf_set_extmark(bufnr, NAMESPACE, row, column, { right_gravity = false, undo_restore = false })
  return {
    bufnr = bufnr,
    row = row,
    line = line,
    before = line:sub(1, column),
    behind = line:sub(column + 1),
    n_consumed = 0,
    mark = mark,
  }
end

--- A name for the cursor's place and the buffer's text: equal names, nothing has happened.
function M.look()
  local row, column = M.cursor()
  local bufnr = api.nvim_get_current_buf()
  return ('%d %d %d %d'):format(bufnr, api.nvim_buf_get_changedtick(bufnr), row, column)
end

--- What was typed from a place to the cursor; nil when something else has happened there.
---@param place stardraft.Place
---@return string? typed, integer n_closed bytes of closers that came after the cursor, string behind
function M.typed_since(place)
  if api.nvim_get_current_buf() ~= place.bufnr then
    return nil, 0, ''
  end
  local mark = api.nvim_buf_get_extmark_by_id(place.bufnr, NAMESPACE, place.mark, {})
  local start_row, start_column = mark[1], mark[2]
  if not start_row then
    return nil, 0, ''
  end
  local row, column = M.cursor()
  if row < start_row or row > start_row + MAX_TYPED_LINES or (row == start_row and column < #place.before) then
    return nil, 0, ''
  end
  local first = api.nvim_buf_get_lines(place.bufnr, start_row, start_row + 1, false)[1]
  if not first or start_column > #place.before or first:sub(1, #place.before) ~= place.before then
    return nil, 0, ''
  end
  local behind = M.behind()
  local n_closed = text.n_closed(place.behind, behind)
  if not n_closed then
    return nil, 0, ''
  end
  local lines = api.nvim_buf_get_text(place.bufnr, start_row, #place.before, row, column, {})
  return table.concat(lines, '\n'), n_closed, behind
end

--- Writes `piece` at a place over `n_replaced` bytes, and goes behind it. One step for undo.
function M.insert(row, column, piece, n_replaced)
  local lines = vim.split(piece, '\n', { plain = true })
  -- Setting the option ends the undo step of what was typed before.
  vim.bo.undolevels = vim.bo.undolevels
  api.nvim_buf_set_text(0, row, column, row, column + n_replaced, lines)
  local last = #lines
  api.nvim_win_set_cursor(0, { row + last, (last == 1 and column or 0) + #lines[last] })
  vim.bo.undolevels = vim.bo.undolevels
end

--- Insert mode begins or ends: one that began in a visual block is repeated by Neovim in all its lines.
function M.on_mode(from, to)
  if from:sub(1, 1) == '\22' and to:sub(1, 1) == 'i' then
    is_block_insert = true
  elseif to:sub(1, 1) ~= 'i' then
    is_block_insert = false
  end
end

local function has_menu()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  for name, is_open in pairs({ cmp = 'visible', ['blink.cmp'] = 'is_menu_visible' }) do
    local plugin = package.loaded[name]
    if type(plugin) == 'table' and vim.is_callable(plugin[is_open]) then
      local ok, open = pcall(plugin[is_open])
      if ok and open then
        return true
      end
    end
  end
  return false
end

--- Whether a suggestion may stand in the buffer now: plain insert mode, no macro, no menu.
function M.may_show(bufnr)
  return api.nvim_get_current_buf() == bufnr
    and api.nvim_get_mode().mode == 'i'
    and not is_block_insert
    and not vim.o.paste
    and vim.fn.reg_recording() == ''
    and vim.fn.reg_executing() == ''
    and not (config.get().hide_with_menu and has_menu())
end

--- Whether one may be asked for here.
function M.may_ask()
  local bufnr = api.nvim_get_current_buf()
  return M.may_show(bufnr) and vim.bo[bufnr].modifiable and (config.is_wanted(bufnr))
end

return M
