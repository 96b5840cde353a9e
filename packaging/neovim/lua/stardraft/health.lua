-- :checkhealth stardraft: is everything there, and what to do if not. `stardraft doctor` says more about the rest.

local client_of = require('stardraft.client')
local config = require('stardraft.config')
local status = require('stardraft.status')
local suggestion = require('stardraft.suggestion')

local M = {}

local TIMEOUT_MS = 10000

-- What the setting `echo` comes to.
local FROM_OWN_CODE = {
  auto = 'Suggestions come from your own code until a real model has something to say.',
  only = 'Suggestions come from your own code; no model is asked.',
  off = 'Suggestions come from the model alone, none from your own code (the setting `echo` is "off").',
}

--- The program's answer; nil with a reason when it gives none.
local function ask(command)
  local ok, result = pcall(function()
    return vim.system(command, { text = true, timeout = TIMEOUT_MS }):wait()
  end)
  if not ok then
    return nil, tostring(result)
  end
  return result
end

local function check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.10') == 0 then
    vim.health.error('Neovim is ' .. version, 'Update to 0.10 or newer.')
  else
    vim.health.ok('Neovim is ' .. version)
  end
  for _, complaint in ipairs(config.complaints()) do
    vim.health.warn(complaint)
  end
end

---@return string? the program's path
local function check_program()
  local cmd = client_of.configured().cmd
  if type(cmd) ~= 'table' then
    vim.health.info('The server is started by a function of your own.')
    return nil
  end
  local path = vim.fn.exepath(cmd[1])
  if path == '' then
    vim.health.error(
      ('There is no "%s" on the PATH that Neovim has.'):format(cmd[1]),
      'Install stardraft (docs/installation.md in its source says how); or name it in full: cmd = { "/path/to/stardraft", "lsp" }.'
    )
    return nil
  end
  local result, why = ask({ path, '--version' })
  if not result or result.code ~= 0 then
    vim.health.error(('%s does not run: %s'):format(path, why or vim.trim(result.stderr)), 'Install it again.')
    return nil
  end
  vim.health.ok(('%s is %s'):format(path, vim.trim(result.stdout)))
  return path
end

local function check_daemon(path)
  local result, why = ask({ path, 'status', '--json' })
  local is_read, daemon = pcall(vim.json.decode, result and result.stdout or '')
  if not is_read or type(daemon) ~= 'table' then
    vim.health.error('`stardraft status` failed: ' .. (why or vim.trim(result and result.stderr or '')), 'stardraft doctor')
    return
  end
  if not daemon.running then
    vim.health.info('The daemon does not run. It starts with the first request to the model.')
    return
  end
  vim.health.ok(('The daemon runs: process %s, version %s'):format(daemon.pid, daemon.version))
  local model = type(daemon.model) == 'table' and daemon.model or nil
  if model then
    vim.health.ok(('The model is %s on %s'):format(model.name, model.device))
    if model.toy then
      vim.health.info('This model is a toy. For a real one: stardraft model pull starcoder2-3b --use')
    end
  elseif daemon.lacks_engine then -- whether that is wrong, the server says below
    vim.health.info('No engine is installed. Your own code is suggested without it; for a model: stardraft setup engine')
  else
    vim.health.info('No model is in memory. The next request loads it.')
  end
  for _, problem in ipairs(daemon.problems or {}) do
    vim.health.warn(problem)
  end
end

local function check_editor()
  local clients = client_of.all()
  if #clients == 0 then
    vim.health.info('No language server of stardraft runs in this Neovim: open a file.')
  end
  for _, client in ipairs(clients) do
    local n_buffers = vim.tbl_count(client.attached_buffers)
    vim.health.ok(('The language server serves %d %s, positions in %s'):format(n_buffers, n_buffers == 1 and 'buffer' or 'buffers', client.offset_encoding))
    local answer = client_of.request_sync(client, 'stardraft/status', vim.empty_dict(), TIMEOUT_MS)
    local sentence = type(answer) == 'table' and FROM_OWN_CODE[answer.echo]
    if sentence then
      vim.health.info(sentence)
    end
  end
  if not suggestion.is_on() then
    vim.health.warn(status.SWITCHED_OFF, ':Stardraft enable')
  end
  for _, report in ipairs(status.all()) do
    if report.state == 'off' and suggestion.is_on() then
      vim.health.warn(report.message, ':Stardraft enable, or what the sentence names.')
    elseif report.state == 'error' then
      vim.health.error(report.message)
    end
    if (report.warning or '') ~= '' then
      vim.health.warn(report.warning)
    end
  end
  if vim.lsp.inline_completion and vim.lsp.inline_completion.is_enabled() then
    vim.health.info("Neovim's own inline completion is on; for stardraft this plugin has taken over.")
  end
  for action, key in pairs(config.get().keys) do
    if key then
      local mapping = vim.fn.maparg(key, 'i', false, true)
      local other = next(mapping) and not vim.startswith(mapping.desc or '', 'stardraft: ')
      if other and action == 'trigger' then
        vim.health.warn(('%s is mapped to something else: no key asks for a suggestion'):format(key), 'Set keys.trigger.')
      elseif other then
        vim.health.info(('%s is mapped: while a suggestion is shown it is "%s"'):format(key, action))
      end
    end
  end
end

function M.check()
  if not (vim.health and vim.health.start) then
    vim.api.nvim_err_writeln('stardraft needs Neovim 0.10 or newer: update Neovim.')
    return
  end
  vim.health.start('stardraft')
  check_neovim()
  if vim.fn.has('nvim-0.10') == 1 then
    local path = check_program()
    if path then
      check_daemon(path)
    end
    check_editor()
  end
end

return M
