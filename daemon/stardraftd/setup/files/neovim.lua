-- Suggestions of stardraft in Neovim 0.12 or newer, with no plugin: copy this file to ~/.config/nvim/plugin/.
-- Tab takes the suggestion; where there is none it is a Tab.

assert(vim.fn.has('nvim-0.12') == 1, 'this needs Neovim 0.12; the plugin needs 0.10: stardraft setup nvim --plugin')

vim.lsp.config('stardraft', {
  cmd = { 'stardraft', 'lsp' },
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' },
})
vim.lsp.enable('stardraft')
vim.lsp.inline_completion.enable()

vim.keymap.set('i', '<Tab>', function()
  if not vim.lsp.inline_completion.get() then
    return '<Tab>'
  end
end, { expr = true, desc = 'Take the suggestion' })
