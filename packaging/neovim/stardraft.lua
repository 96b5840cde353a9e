-- Suggestions of stardraft in Neovim 0.12 or newer, with no plugin: copy this file to ~/.config/nvim/plugin/.
-- Tab takes the suggestion; where there is none it does what it did before. :StardraftStatus says why there is none.

assert(vim.fn.has('nvim-0.12') == 1, 'this needs Neovim 0.12; the plugin needs 0.10: stardraft setup nvim --plugin')

local warning, message = '', '' -- a wrong setting, until it is corrected; what the server said last
local function say(sentence, keep) -- in one line, which asks for no Enter; :StardraftStatus has all of it
  vim.api.nvim_echo({ { vim.fn.printf('%.' .. vim.v.echospace .. 'S', sentence), 'WarningMsg' } }, keep, {})
end
vim.api.nvim_create_autocmd('ModeChanged', {
  pattern = 'i:*',
  callback = vim.schedule_wrap(function() -- "-- INSERT --" was drawn over it
    if warning ~= '' then
      say(warning, false)
    end
  end),
})
local function tell_focus(buffer) -- what the server says of itself is about the buffer that you are in
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'stardraft' })[1]
  if client then
    client:notify('textDocument/didFocus', { textDocument = { uri = vim.uri_from_bufnr(buffer) } })
  end
end
vim.api.nvim_create_autocmd({ 'BufEnter', 'LspAttach' }, {
  callback = function() tell_focus(vim.api.nvim_get_current_buf()) end,
})
vim.api.nvim_create_autocmd('LspAttach', {
  callback = function(event) -- Neovim asks at keys alone, and not at those that were typed before the server was there
    vim.defer_fn(function() -- when it has set up what asks
      if vim.api.nvim_get_current_buf() == event.buf and vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
        vim.api.nvim_exec_autocmds('CursorMovedI', { buffer = event.buf })
      end
    end, 0)
  end,
})

vim.lsp.config('stardraft', {
  cmd = { 'stardraft', 'lsp' },
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' },
  capabilities = { experimental = { stardraft = { warnings = true } } },
  handlers = {
    ['stardraft/status'] = function(_, report)
      vim.g.stardraft_status = report.state -- for a status line: %{get(g:, 'stardraft_status', '')}
      if report.warning ~= warning then -- a wrong setting; "" when it is corrected
        warning = report.warning
        say(warning, warning ~= '')
      end
      vim.cmd.redrawstatus()
    end,
    ['window/showMessage'] = function(_, params)
      message = params.message:gsub('%s+', ' ')
      say(message, true) -- :messages has it, too
    end,
  },
})
vim.lsp.enable('stardraft')
vim.lsp.inline_completion.enable()

local ghost = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')

-- What was typed since the suggestion was asked for is the beginning of it, and is not written twice.
local function goes_on(item)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local range = item.range
  if range and range.start_row == row - 1 and range.end_row == row - 1 and range.start_col < column then
    local n_typed = column - range.start_col
    item.range = vim.range(range.buf, row - 1, range.start_col, row - 1, range.end_col + n_typed)
  end
  return item
end

-- What Tab was before, such as Neovim's own jump through a snippet, goes on under another name.
local before = '<Plug>(stardraft-before-tab)'
local mapping = vim.fn.maparg('<Tab>', 'i', false, true)
if next(mapping) and mapping.desc ~= 'Take the suggestion' then
  mapping.lhs, mapping.lhsraw, mapping.lhsrawalt = before, vim.keycode(before), nil
  vim.fn.mapset('i', false, mapping)
end
vim.keymap.set('i', '<Tab>', function()
  local is_drawn = #vim.api.nvim_buf_get_extmarks(0, ghost, 0, -1, { limit = 1 }) > 0
  if not is_drawn or not vim.lsp.inline_completion.get({ on_accept = goes_on }) then
    return vim.fn.maparg(before, 'i') ~= '' and before or '<Tab>'
  end
end, { expr = true, remap = true, desc = 'Take the suggestion' })

-- Neovim draws a suggestion like what it stands behind, such as a bracket that is marked; here it has its own colour.
-- None is drawn while a completion menu is open, or when something else was typed. Lines below the window are counted.
local drawn = { row = -1, column = 0, text = '' } -- the first line of the last suggestion, where it was drawn first
local function is_typed_through(row, column, text)
  local n_typed = column - drawn.column
  if row ~= drawn.row or n_typed <= 0 or drawn.text:sub(n_typed + 1) ~= text then
    drawn = { row = row, column = column, text = text }
    return true
  end
  local line = vim.api.nvim_buf_get_lines(0, row, row + 1, false)[1]
  return line:sub(drawn.column + 1, column) == drawn.text:sub(1, n_typed)
end
local function n_below_window(row, n)
  local info = vim.fn.getwininfo(vim.api.nvim_get_current_win())[1]
  local top = vim.fn.screenpos(info.winid, row + 1, 1).row - info.winrow - info.winbar
  local size = vim.api.nvim_win_text_height(info.winid, { start_row = row, end_row = row })
  local n_room = info.height - (top < 0 and vim.fn.winline() or top + size.all - size.fill)
  return math.max(0, n - math.max(0, n_room))
end
local set_extmark = vim.api.nvim_buf_set_extmark
vim.api.nvim_buf_set_extmark = function(buffer, namespace, row, column, options)
  if namespace == ghost then
    local first, n_lines = options.virt_text, #options.virt_lines
    local is_wanted = is_typed_through(row, column, first[1][1])
    if vim.fn.pumvisible() == 1 or not is_wanted or (n_lines == 0 and first[1][1] == '') then
      return 0
    end
    options.hl_mode = 'replace'
    local n_hidden = n_lines > 0 and n_below_window(row, n_lines) or 0
    if n_hidden > 0 then
      first[#first + 1] = { (' +%d line%s'):format(n_hidden, n_hidden == 1 and '' or 's'), 'ComplHint' }
    end
  end
  return set_extmark(buffer, namespace, row, column, options)
end
vim.api.nvim_create_autocmd('CompleteChanged', {
  callback = function(event) vim.api.nvim_buf_clear_namespace(event.buf, ghost, 0, -1) end,
})
local function colour() -- that of comments, which without true colours have none
  local look = vim.api.nvim_get_hl(0, { name = 'Comment', link = false })
  look.ctermfg = look.ctermfg or 8
  vim.api.nvim_set_hl(0, 'ComplHint', look)
end
colour()
vim.api.nvim_create_autocmd('ColorScheme', { callback = colour })
vim.api.nvim_create_autocmd('OptionSet', { pattern = 'background', callback = colour })

vim.api.nvim_create_user_command('StardraftStatus', function()
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'stardraft', _uninitialized = true })[1]
  local answer = client and client.initialized and client:request_sync('stardraft/status', {}, 2000)
  local sentence = answer and answer.result and vim.trim(answer.result.sentence .. ' ' .. message)
    or not client and 'stardraft does not run for this buffer: :checkhealth vim.lsp'
    or client.initialized and 'stardraft does not answer at the moment.'
    or 'stardraft is starting.'
  message = '' -- seen whole
  if vim.api.nvim_strwidth(sentence) <= vim.v.echospace then
    print(sentence)
  else -- in a window: more than a line would ask for Enter
    vim.lsp.util.open_floating_preview({ sentence }, '', { wrap = true, max_width = vim.o.columns - 4, border = 'single' })
  end
end, { desc = 'What stardraft is doing, and why there is no suggestion' })
