-- What the server is doing, as it says itself: one report for each of its processes.

local client_of = require('stardraft.client')
local config = require('stardraft.config')
local message = require('stardraft.message')

local M = {}

---@alias stardraft.Report {state: string, message: string, reason: string, model: string, warning: string?, sentence: string?}
local reports = {} ---@type table<integer, stardraft.Report>

M.SWITCHED_OFF = 'Suggestions are switched off in this Neovim.'

--- Something that is shown has changed.
function M.announce()
  vim.api.nvim_exec_autocmds('User', { pattern = 'StardraftStatus', modeline = false })
  vim.cmd.redrawstatus({ bang = true })
end

--- The handler of `stardraft/status`.
function M.on_status(_, report, context)
  if type(report) == 'table' then
    local before = reports[context.client_id]
    reports[context.client_id] = report
    local warning, said = report.warning or '', before and before.warning or ''
    if warning ~= '' and warning ~= said then
      message.say(warning, 'WarningMsg')
    elseif warning == '' and said ~= '' then
      message.take_back()
    end
    M.announce()
  end
end

--- Asks the server anew, and calls `when_known`; at once where there is none to ask.
function M.refresh(bufnr, when_known)
  local client = client_of.of(bufnr)
  local function take(err, report, context)
    if not err then
      M.on_status(err, report, context)
    end
    when_known()
  end
  if not client or not client_of.request(client, 'stardraft/status', vim.empty_dict(), take, bufnr) then
    when_known()
  end
end

--- The server has ended. That it died is told.
---@param has_died boolean
function M.forget(client_id, has_died)
  reports[client_id] = nil
  if has_died and vim.v.exiting == vim.NIL then
    message.say('the language server died. `:Stardraft restart` starts it again.', 'WarningMsg')
  end
  M.announce()
end

-- What the editor knows without the server.
local function own(state, sentence, reason)
  return { state = state, message = sentence, reason = reason, model = '', warning = '', sentence = sentence }
end

--- The report for a buffer; nil where stardraft does not serve it.
---@return stardraft.Report?
function M.report(bufnr)
  bufnr = (bufnr == nil or bufnr == 0) and vim.api.nvim_get_current_buf() or bufnr
  local client = client_of.of(bufnr)
  if not client and not client_of.is_starting(bufnr) then
    return nil
  end
  if vim.b[bufnr].stardraft == false then
    return own('off', 'Suggestions are switched off in this buffer.', 'editor')
  elseif not require('stardraft.suggestion').is_on() then
    return own('off', M.SWITCHED_OFF, 'editor')
  end
  return client and reports[client.id] or own('starting', 'stardraft is starting.', '')
end

--- A few letters for the status line; "" where stardraft does not serve the buffer.
function M.line(bufnr)
  local report = M.report(bufnr)
  if not report then
    return ''
  end
  local words = config.get().status
  local n_minutes = report.reason == 'snoozed' and require('stardraft.switches').n_minutes_left() or 0
  if n_minutes > 0 then
    return ('%s %dm'):format(words.snoozed, n_minutes)
  end
  local state = report.state ~= 'off' and (report.warning or '') ~= '' and 'error' or report.state
  return words[state] or ('stardraft ' .. state)
end

--- What each of the servers has said last.
---@return stardraft.Report[]
function M.all()
  return vim.tbl_values(reports)
end

--- All of it, in sentences.
---@return string
function M.sentence(bufnr)
  local report = M.report(bufnr)
  if not report then
    local wanted, why = config.is_wanted(bufnr)
    if wanted then
      return 'stardraft does not run for this buffer: :checkhealth stardraft says more.'
    end
    return ('There are no suggestions here: %s.'):format(why)
  end
  return report.sentence or report.message -- a server of a version before has no sentence
end

return M
