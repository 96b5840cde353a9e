-- The ghost text: draws what is left of a suggestion at the cursor, so that a user sees what they would get.

local text = require('stardraft.text')

local M = {}

local api = vim.api
local NAMESPACE = api.nvim_create_namespace('stardraft.ghost')
M.namespace = NAMESPACE

local drawn ---@type integer? the buffer that has ghost text

--- The colours, where nobody chose others.
function M.define_highlights()
  -- Neovim's own ComplHint is hard to read in its default colours. Its Comment is not, but has a colour of its own only
  -- where there are true colours: elsewhere bright black stands in, which shells use for the same.
  local hint = api.nvim_get_hl(0, { name = 'Comment', link = false })
  if not hint.ctermfg then
    hint.ctermfg = 8
  end
  api.nvim_set_hl(0, 'StardraftHint', hint)
  api.nvim_set_hl(0, 'StardraftGhost', { default = true, link = 'StardraftHint' })
  api.nvim_set_hl(0, 'StardraftReplaced', { default = true, strikethrough = true })
end

function M.is_drawn()
  return drawn ~= nil
end

function M.clear()
  if drawn and api.nvim_buf_is_valid(drawn) then
    api.nvim_buf_clear_namespace(drawn, NAMESPACE, 0, -1)
  end
  drawn = nil
end

local function mark(bufnr, row, column, options)
  -- Another plugin may have shortened the line since: a mark behind its end is no reason to fail.
  options.strict = false
  options.undo_restore = false
  api.nvim_buf_set_extmark(bufnr, NAMESPACE, row, column, options)
end

--- The first line of a suggestion among the characters that it covers and that are the same in it.
local function draw_between(bufnr, row, column, line, replaced, start, tab_width)
  local places = text.places(replaced, line)
  if not places then
    mark(bufnr, row, column, { end_col = column + #replaced, hl_group = 'StardraftReplaced' })
    places, replaced = {}, ''
  end
  local positions = vim.str_utf_pos(replaced)
  local from, width = 1, start
  for i = 1, #places + 1 do
    local at = places[i] or #line + 1
    local before = text.shown(line:sub(from, at - 1), width, tab_width)
    if before ~= '' then
      local offset = (positions[i] or #replaced + 1) - 1
      mark(bufnr, row, column + offset, {
        virt_text = { { before, 'StardraftGhost' } },
        virt_text_pos = 'inline',
        -- Combined, it would look like what it stands behind, such as a bracket that matchparen marks.
        hl_mode = 'replace',
      })
    end
    local kept = i <= #places and replaced:sub(positions[i], (positions[i + 1] or #replaced + 1) - 1) or ''
    from = at + #kept
    width = width + api.nvim_strwidth(before) + api.nvim_strwidth(kept)
  end
end

--- How many of `n` lines below a row would be below the window's last one.
local function n_below_window(row, n)
  if n == 0 then
    return 0
  end
  local info = vim.fn.getwininfo(api.nvim_get_current_win())[1]
  local top = vim.fn.screenpos(info.winid, row + 1, 1).row - info.winrow - (info.winbar or 0)
  local size = api.nvim_win_text_height(info.winid, { start_row = row, end_row = row })
  local last = top < 0 and vim.fn.winline() - 1 or top + size.all - size.fill - 1
  return math.max(0, math.min(n, n - (info.height - 1 - last)))
end

--- Draws `rest` at a place, in place of what was drawn before.
---@param row integer from 0
---@param column integer in bytes
---@param rest string with "\n" between lines
---@param replaces integer bytes behind the place that it covers
---@param hint string? stands behind it
function M.draw(bufnr, row, column, rest, replaces, hint)
  M.clear()
  drawn = bufnr
  local line = api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ''
  local tab_width = vim.bo[bufnr].tabstop
  local start = vim.fn.strdisplaywidth(line:sub(1, column))
  local lines = vim.split(rest, '\n', { plain = true })
  local behind = line:sub(column + replaces + 1)
  local below = {}
  for i = 2, #lines do
    below[i - 1] = { { text.shown(lines[i], 0, tab_width), 'StardraftGhost' } }
  end
  if #below > 0 and behind ~= '' then
    -- What stands after the cursor would come after the last line: that is where it is shown.
    local first = text.shown(lines[1], start, tab_width)
    local covered = vim.fn.strdisplaywidth(line:sub(column + 1), start) - api.nvim_strwidth(first)
    local chunks = { { first, 'StardraftGhost' } }
    if covered > 0 then
      chunks[2] = { (' '):rep(covered), 'Normal' }
    end
    mark(bufnr, row, column, { virt_text = chunks, virt_text_pos = 'overlay', hl_mode = 'replace' })
    local width = api.nvim_strwidth(below[#below][1][1])
    table.insert(below[#below], { text.shown(behind, width, tab_width), 'Normal' })
  else
    draw_between(bufnr, row, column, lines[1], line:sub(column + 1, column + replaces), start, tab_width)
  end
  local n_hidden = n_below_window(row, #below)
  if #below > 0 then
    mark(bufnr, row, column, { virt_lines = below })
  end
  if n_hidden > 0 then
    hint = ('%s +%d line%s'):format(hint or '', n_hidden, n_hidden == 1 and '' or 's')
  end
  if hint then
    mark(bufnr, row, column, { virt_text = { { hint, 'StardraftGhost' } }, virt_text_pos = 'eol', hl_mode = 'combine' })
  end
end

return M
