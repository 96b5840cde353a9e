-- For Neovim 0.11 or newer: `vim.lsp.enable('stardraft')` and `vim.lsp.config('stardraft', {...})` find the server here.

return require('stardraft.client').config()
