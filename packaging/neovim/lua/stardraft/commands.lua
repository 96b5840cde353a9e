-- :Stardraft ...: what each word does, and what may be typed after it.

local client_of = require('stardraft.client')
local config = require('stardraft.config')
local message = require('stardraft.message')
local stardraft = require('stardraft')

local M = {}

local say = message.answer

--- Runs the program in a terminal below; with it the user sees and answers what it says.
local function in_terminal(arguments)
  local cmd = client_of.configured().cmd
  local program = type(cmd) == 'table' and cmd[1] or 'stardraft'
  if vim.fn.executable(program) == 0 then
    say(('stardraft: there is no "%s" on your PATH: install it, or set `cmd`.'):format(program), vim.log.levels.ERROR)
    return
  end
  vim.cmd('botright 15new')
  local command = vim.list_extend({ program }, arguments)
  if vim.fn.has('nvim-0.11') == 1 then
    vim.fn.jobstart(command, { term = true })
  else
    vim.fn.termopen(command)
  end
  vim.cmd.startinsert()
end

--- What the server says now, not what it said last: a switch of a moment ago may be on its way to it.
local function say_status()
  local status = require('stardraft.status')
  status.refresh(0, function()
    local sentence, cut = status.sentence(0), message.take_cut()
    -- A wrong setting is in the sentence already; behind "stardraft: " in what was said.
    local is_news = cut ~= '' and not sentence:find(cut:sub(#'stardraft: ' + 1), 1, true)
    say(is_news and ('%s It said: %s'):format(sentence, cut) or sentence)
  end)
end

local function switch(name)
  return function(arguments)
    if arguments[1] and arguments[1] ~= 'buffer' then
      say((':Stardraft %s takes "buffer" or nothing.'):format(name), vim.log.levels.ERROR)
      return
    end
    stardraft[name]({ buffer = arguments[1] == 'buffer' })
    say_status()
  end
end

local function snooze(arguments)
  local minutes = tonumber(arguments[1] or '60')
  if not minutes or minutes < 0 or minutes > 7 * 24 * 60 then
    say(':Stardraft snooze takes minutes, from 0 (no more) to 10080.', vim.log.levels.ERROR)
    return
  end
  stardraft.snooze(minutes)
  say_status()
end

--- The language server and the daemon, afresh. Other editors' requests go on with the new daemon.
local function restart()
  local program = client_of.configured().cmd
  client_of.stop(function()
    local function attach_all()
      for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
        client_of.attach(bufnr)
      end
    end
    if type(program) ~= 'table' or vim.fn.executable(program[1]) == 0 then
      attach_all()
      return
    end
    vim.system({ program[1], 'daemon', 'restart' }, { text = true }, function(result)
      vim.schedule(function()
        attach_all()
        if result.code == 0 then
          say('stardraft was restarted.')
        else
          say(result.stderr ~= '' and result.stderr or result.stdout, vim.log.levels.ERROR) -- which says who says it
        end
      end)
    end)
  end)
end

local function terminal(...)
  local first = { ... }
  return function(arguments)
    in_terminal(vim.list_extend(vim.deepcopy(first), arguments))
  end
end

local function act(name)
  return function()
    if not stardraft[name]() then
      say('stardraft: there is no suggestion to do that with.', vim.log.levels.WARN)
    end
  end
end

---@type table<string, {run: fun(arguments: string[], has_bang: boolean), next: string[]?}>
local WORDS = {
  enable = { run = switch('enable'), next = { 'buffer' } },
  disable = { run = switch('disable'), next = { 'buffer' } },
  toggle = { run = switch('toggle'), next = { 'buffer' } },
  snooze = { run = snooze, next = { '10', '60', '480', '0' } },
  status = { run = say_status },
  origin = {
    run = function(_, has_bang)
      require('stardraft.origin').show(has_bang)
    end,
  },
  restart = { run = restart },
  model = { run = terminal('model'), next = { 'plan', 'pull', 'list', 'use', 'info', 'remove', 'license' } },
  stats = { run = terminal('stats') },
  logs = { run = terminal('daemon', 'logs', '-f') },
  doctor = { run = terminal('doctor') },
  health = {
    run = function()
      vim.cmd.checkhealth('stardraft')
    end,
  },
  accept = { run = act('accept') },
  ['accept-word'] = { run = act('accept_word') },
  ['accept-line'] = { run = act('accept_line') },
  dismiss = { run = act('dismiss') },
  next = { run = act('next') },
  previous = { run = act('previous') },
  trigger = {
    run = function()
      stardraft.trigger() -- which says why not
    end,
  },
}

--- Runs `:Stardraft WORD ...`; alone it is `status`.
function M.run(command)
  config.get()
  stardraft.start()
  local word = command.fargs[1] or 'status'
  local found = WORDS[word]
  if not found then
    local names = vim.tbl_keys(WORDS)
    table.sort(names)
    say(('There is no :Stardraft %s. There are: %s.'):format(word, table.concat(names, ', ')), vim.log.levels.ERROR)
    return
  end
  found.run(vim.list_slice(command.fargs, 2), command.bang)
end

--- What may stand at the cursor of the command line.
function M.complete(lead, line)
  local typed = vim.split(line:gsub('^%s*%S+%s*', ''), '%s+')
  local names = vim.tbl_keys(WORDS)
  if #typed > 1 then
    local found = WORDS[typed[1]]
    names = #typed == 2 and found and found.next or {}
  end
  names = vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, names)
  table.sort(names)
  return names
end

return M
