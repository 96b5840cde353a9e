-- What Neovim reads at its start: the command, the <Plug> keys, and when to begin. All else is in lua/stardraft/, read then.

if vim.g.loaded_stardraft then
  return
end
vim.g.loaded_stardraft = true

if vim.fn.has('nvim-0.10') == 0 then
  vim.api.nvim_echo({
    { 'stardraft needs Neovim 0.10: update it, or take the plugin out.', 'WarningMsg' },
  }, true, {})
  return
end

vim.api.nvim_create_user_command('Stardraft', function(command)
  require('stardraft.commands').run(command)
end, {
  nargs = '*',
  bang = true,
  desc = 'stardraft: code suggestions of your own computer',
  complete = function(...)
    return require('stardraft.commands').complete(...)
  end,
})

for name, action in pairs({
  accept = 'accept',
  ['accept-word'] = 'accept_word',
  ['accept-line'] = 'accept_line',
  dismiss = 'dismiss',
  next = 'next',
  previous = 'previous',
  trigger = 'trigger',
}) do
  vim.keymap.set('i', ('<Plug>(stardraft-%s)'):format(name), function()
    require('stardraft')[action]()
  end, { desc = 'stardraft: ' .. action })
end

-- The first file or the first insertion begins it; whoever loads the plugin later has both behind them.
local group = vim.api.nvim_create_augroup('stardraft.begin', {})
local function begin()
  vim.api.nvim_clear_autocmds({ group = group })
  require('stardraft').start()
end
vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile', 'FileType', 'InsertEnter' }, { group = group, callback = begin })
if vim.v.vim_did_enter == 1 then
  begin()
end
