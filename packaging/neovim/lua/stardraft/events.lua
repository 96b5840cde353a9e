-- When things happen: which of Neovim's events lead where. No decisions here.

local buffer = require('stardraft.buffer')
local client_of = require('stardraft.client')
local ghost = require('stardraft.ghost')
local keys = require('stardraft.keys')
local suggestion = require('stardraft.suggestion')
local switches = require('stardraft.switches')

local M = {}

local api = vim.api

--- Neovim 0.12 would show the same suggestions itself, if inline completion is on.
local function take_over(client)
  if client and client.name == client_of.NAME and vim.lsp.inline_completion then
    vim.lsp.inline_completion.enable(false, { client_id = client.id })
  end
end

function M.watch()
  local group = api.nvim_create_augroup('stardraft', {})
  local function on(events, callback, pattern)
    api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = callback })
  end
  ghost.define_highlights()
  on('ColorScheme', ghost.define_highlights)
  on('OptionSet', ghost.define_highlights, 'background')
  on({ 'FileType', 'BufReadPost', 'BufNewFile', 'BufFilePost', 'BufWritePost' }, function(event)
    client_of.attach(event.buf)
  end)
  on('LspAttach', function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    take_over(client)
    if client and client.name == client_of.NAME then
      switches.tell(client)
      client_of.focus(api.nvim_get_current_buf())
    end
    if event.buf == api.nvim_get_current_buf() and api.nvim_get_mode().mode == 'i' then
      suggestion.follow()
    end
  end)
  on({ 'InsertEnter', 'TextChangedI', 'TextChangedP', 'CursorMovedI' }, function(event)
    if event.event == 'InsertEnter' then
      -- The mode changes after this event.
      vim.schedule(function()
        if api.nvim_get_mode().mode == 'i' and client_of.of(api.nvim_get_current_buf()) then
          suggestion.follow()
        end
      end)
    elseif client_of.of(event.buf) then
      suggestion.follow()
    end
  end)
  on('BufEnter', function(event)
    client_of.focus(event.buf)
  end)
  on('InsertLeave', function()
    -- CTRL-O leaves insert mode for one command; who goes on after it has refused nothing.
    if vim.startswith(api.nvim_get_mode().mode, 'ni') then
      suggestion.clear()
    else
      suggestion.leave()
    end
  end)
  on({ 'BufLeave', 'WinLeave', 'RecordingEnter' }, function()
    suggestion.clear()
  end)
  on('ModeChanged', function()
    buffer.on_mode(vim.v.event.old_mode, vim.v.event.new_mode)
  end)
  on('CompleteChanged', function()
    if not buffer.may_ask() then
      suggestion.clear()
    end
  end)
  on('CompleteDone', function()
    vim.schedule(function()
      if api.nvim_get_mode().mode == 'i' and client_of.of(api.nvim_get_current_buf()) then
        suggestion.follow()
      end
    end)
  end)
  keys.map_trigger()
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    if api.nvim_buf_is_loaded(bufnr) then
      client_of.attach(bufnr)
    end
  end
end

return M
