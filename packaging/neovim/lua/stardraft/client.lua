-- The language server as Neovim's client: how it is configured and started, and what is said to it.
-- Its handlers live with their subjects: suggestion (progress), status, declarations.

local config = require('stardraft.config')
local message = require('stardraft.message')

local M = {}

M.NAME = 'stardraft'

local MAX_STOP_MS = 5000

local has_methods = vim.fn.has('nvim-0.11') == 1 -- client:request(...); before, client.request(...)
local was_told = false
local stopping = {} ---@type table<integer, boolean> by the client's number

--- Tells once that the program is missing.
local function tell_missing(program)
  if not was_told then
    was_told = true
    message.say(
      ('there is no "%s" on your PATH. Its docs/installation.md says how to install it; or set `cmd`.'):format(program),
      'WarningMsg'
    )
  end
end

--- The project's folder for a buffer: the nearest with a marker, else the file's own.
local function root_of(bufnr)
  return vim.fs.root(bufnr, config.get().root_markers) or vim.fs.dirname(vim.api.nvim_buf_get_name(bufnr))
end

--- Decides whether a buffer gets the server: calls `on_folder` with the project's folder if so.
--- It is `root_dir` of the configuration, as Neovim 0.11 has it.
function M.root_dir(bufnr, on_folder)
  if not config.is_wanted(bufnr) then
    return
  end
  local cmd = M.configured().cmd
  if type(cmd) == 'table' and vim.fn.executable(cmd[1]) == 0 then
    tell_missing(cmd[1])
    return
  end
  on_folder(root_of(bufnr))
end

--- What vim.lsp.config('stardraft') holds, from lsp/stardraft.lua on the 'runtimepath'.
function M.config()
  local settings = config.get()
  return {
    name = M.NAME,
    cmd = settings.cmd,
    root_dir = M.root_dir,
    capabilities = vim.tbl_deep_extend('force', vim.lsp.protocol.make_client_capabilities(), {
      -- Without it the server would offer entries for the completion menu instead.
      textDocument = { inlineCompletion = { dynamicRegistration = false } },
      experimental = { stardraft = { declarations = true, warnings = true } },
    }),
    settings = { stardraft = next(settings.settings) and settings.settings or vim.empty_dict() },
    handlers = {
      ['$/progress'] = function(...)
        return require('stardraft.suggestion').on_progress(...)
      end,
      ['window/showMessage'] = function(...)
        return require('stardraft.message').on_message(...)
      end,
      ['stardraft/status'] = function(...)
        return require('stardraft.status').on_status(...)
      end,
      ['stardraft/declarations'] = function(...)
        return require('stardraft.declarations').answer(...)
      end,
    },
    -- The engine reads each key as it is typed.
    flags = { debounce_text_changes = 0 },
    on_exit = function(code, signal, client_id)
      local is_meant = stopping[client_id] == true
      stopping[client_id] = nil
      vim.schedule(function()
        require('stardraft.status').forget(client_id, not is_meant and (code ~= 0 or signal ~= 0))
        require('stardraft.suggestion').clear()
      end)
    end,
  }
end

--- The configuration with what the user changed of it by vim.lsp.config().
function M.configured()
  return has_methods and vim.lsp.config[M.NAME] or M.config()
end

--- Starts the server for a buffer that wants it; one process serves all folders of a project.
function M.attach(bufnr)
  if not config.get().autostart or not vim.api.nvim_buf_is_loaded(bufnr) then
    return
  end
  local configured = M.configured()
  local function start(folder)
    if vim.api.nvim_buf_is_valid(bufnr) then
      local resolved = vim.tbl_extend('force', configured, { name = M.NAME, root_dir = folder })
      vim.lsp.start(resolved, { bufnr = bufnr, silent = true })
    end
  end
  if type(configured.root_dir) == 'function' then
    configured.root_dir(bufnr, start)
  else
    M.root_dir(bufnr, function(folder)
      start(configured.root_dir or folder)
    end)
  end
end

--- Ours among a buffer's clients, once it is initialised.
---@return vim.lsp.Client?
function M.of(bufnr)
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = bufnr, name = M.NAME })) do
    if client.initialized and client.server_capabilities.inlineCompletionProvider then
      return client
    end
  end
end

--- Whether one of ours has been started for a buffer, and has not introduced itself yet.
function M.is_starting(bufnr)
  local of_buffer = vim.lsp.get_clients({ bufnr = bufnr, name = M.NAME, _uninitialized = true })
  return vim.iter(of_buffer):any(function(client)
    return not client.initialized
  end)
end

--- All of ours.
function M.all()
  return vim.lsp.get_clients({ name = M.NAME })
end

---@return integer? the request's number, by which it can be cancelled; nil where the server is gone
function M.request(client, method, params, handler, bufnr)
  local is_sent, number
  if has_methods then
    is_sent, number = client:request(method, params, handler, bufnr)
  else
    is_sent, number = client.request(method, params, handler, bufnr)
  end
  return is_sent and number or nil
end

--- The result; nil where none came in time.
function M.request_sync(client, method, params, timeout_ms)
  local answer
  if has_methods then
    answer = client:request_sync(method, params, timeout_ms)
  else
    answer = client.request_sync(method, params, timeout_ms, 0)
  end
  return answer and answer.result
end

function M.notify(client, method, params)
  if has_methods then
    client:notify(method, params)
  else
    client.notify(method, params)
  end
end

function M.cancel(client, number)
  if has_methods then
    client:cancel_request(number)
  else
    client.cancel_request(number)
  end
end

--- The user is in this buffer: what the server says of switches is about it.
function M.focus(bufnr)
  local client = M.of(bufnr)
  if client then
    M.notify(client, 'textDocument/didFocus', { textDocument = { uri = vim.uri_from_bufnr(bufnr) } })
  end
end

local function stop(client, by_force)
  stopping[client.id] = true
  if has_methods then
    client:stop(by_force)
  else
    client.stop(by_force)
  end
end

--- Ends the server; `when_gone` is called when all its processes have left.
function M.stop(when_gone)
  for _, client in ipairs(M.all()) do
    stop(client, false)
  end
  local deadline = vim.uv.now() + MAX_STOP_MS
  local function look()
    local left = M.all()
    if #left == 0 then
      when_gone()
      return
    end
    if vim.uv.now() > deadline then
      for _, client in ipairs(left) do
        stop(client, true)
      end
    end
    vim.defer_fn(look, 50)
  end
  look()
end

return M
