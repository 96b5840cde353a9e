-- The suggestion: asked for, shown while it grows, kept while it is typed, taken, dismissed.
-- There is one at a time, in the current buffer. When these functions are called is for events and keys.

local accepted = require('stardraft.accepted')
local buffer = require('stardraft.buffer')
local client_of = require('stardraft.client')
local config = require('stardraft.config')
local ghost = require('stardraft.ghost')
local keys = require('stardraft.keys')
local message = require('stardraft.message')
local text = require('stardraft.text')

local M = {}

local METHOD = 'textDocument/inlineCompletion'
local INVOKED, AUTOMATIC = 1, 2

---@class stardraft.Item what the server suggests
---@field text string with "\n" between lines
---@field replaces integer bytes behind the place that it covers
---@field raw table as the server sent it
---@field lead string? what of the server's own text was in the buffer before the question

---@class stardraft.Question
---@field client vim.lsp.Client
---@field place stardraft.Place where it was asked
---@field number integer? of the request, while it runs
---@field token string
---@field invoked boolean
---@field items stardraft.Item[]
---@field index integer the one that is shown
---@field is_final boolean
---@field wants_next integer? a user asked for another one while this was on its way
---@field taken table? what was accepted before the server had said all

local asked ---@type stardraft.Question? its request runs
local shown ---@type stardraft.Question? its text is on the screen, or would be but for a menu
local last_look ---@type string? the place and text that was asked about last
local is_on = true
local n_asked = 0

local function hide()
  ghost.clear()
  keys.release()
end

--- Lets a question go; its request ends on the server, too.
local function drop(question)
  if question and question.number then
    client_of.cancel(question.client, question.number)
    question.number = nil
  end
end

--- Nothing is shown and nothing is asked any more.
function M.clear()
  local dropped = asked
  asked, shown = nil, nil
  hide()
  drop(dropped)
end

function M.is_on()
  return is_on
end

function M.switch(on)
  is_on = on
  last_look = nil
end

--- What is left of the item that is shown; nil where the text is not what it was suggested for.
---@return string? rest, integer replaces, string typed
local function rest_of(question)
  local item = question.items[question.index]
  local typed, n_closed, behind = buffer.typed_since(question.place)
  if not item or not typed then
    return nil, 0, ''
  end
  local rest, replaces = text.rest(item.text, item.replaces, typed, n_closed, behind)
  return rest, replaces, typed
end

local function hint_of(question)
  return #question.items > 1 and (' (%d/%d)'):format(question.index, #question.items) or nil
end

--- Shows what is left of `shown`. False when there is nothing left, or it does not fit any more.
local function show()
  local rest, replaces = rest_of(shown)
  if not rest or not rest:find('%S') then
    hide()
    -- Of one that is still on its way more will come.
    return rest ~= nil and asked == shown
  end
  if not buffer.may_show(shown.place.bufnr) then
    hide()
    return true
  end
  local row, column = buffer.cursor()
  ghost.draw(shown.place.bufnr, row, column, rest, replaces, hint_of(shown))
  keys.take(shown.place.bufnr)
  accepted.tell_shown(shown, shown.items[shown.index])
  return true
end

--- An item as it is needed here; nil for one that is not for this place.
---@return stardraft.Item?
local function read_item(question, raw)
  local insert = type(raw) == 'table' and raw.insertText
  if type(insert) ~= 'string' then
    return nil
  end
  insert = insert:gsub('\r\n', '\n')
  local place, encoding = question.place, question.client.offset_encoding
  local replaces = 0
  if type(raw.range) == 'table' then
    local from, to = raw.range.start, raw.range['end']
    if from.line ~= place.row or to.line ~= place.row then
      return nil
    end
    local line = place.line
    local start = text.n_bytes(line, from.character, encoding)
    local lead = place.before:sub(start + 1)
    if start > #place.before or insert:sub(1, #lead) ~= lead then
      return nil
    end
    insert = insert:sub(#lead + 1)
    replaces = math.max(0, text.n_bytes(line, to.character, encoding) - #place.before - place.n_consumed)
  end
  return { text = insert, replaces = replaces, raw = raw }
end

local function read_items(question, result)
  local list = type(result) == 'table' and (result.items or result) or {}
  local items = {}
  for _, raw in ipairs(list) do
    items[#items + 1] = read_item(question, raw)
  end
  return items
end

--- With more candidates than before, the one that is on the screen stays first.
local function keep_first(question)
  local since = buffer.typed_since(question.place)
  if not shown or not question.invoked or not since then
    return
  end
  local rest, _, typed = rest_of(shown)
  if not rest then
    return
  end
  local item = shown.items[shown.index]
  local first = since .. rest
  -- `lead`: what of the server's own text was taken or typed before this question.
  local lead = (item.lead or '') .. typed:sub(1, #typed - #since)
  question.items = vim.tbl_filter(function(other)
    return other.text ~= first
  end, question.items)
  table.insert(question.items, 1, { text = first, replaces = item.replaces, raw = item.raw, lead = lead })
end

local function say_alone()
  message.say('this is the only suggestion (the setting `candidates` says how many are made).')
end

--- What was asked for by hand and brought nothing says why.
local function say_nothing(question, err)
  if question.invoked then
    local report = require('stardraft.status').report(question.place.bufnr)
    local why = err and err.message or report and report.message or ''
    message.say(why ~= '' and why or 'there is nothing to suggest here.')
  end
end

--- The server's answer, or what of it is there so far.
local function take_items(question, result, is_final)
  if question ~= asked then
    return -- superseded; what it says is about a text that is gone
  end
  question.is_final = is_final
  if is_final then
    question.number = nil
    asked = nil
  end
  if result == nil or result == vim.NIL then
    return -- something else took its place on the server
  end
  local items = read_items(question, result)
  if #items == 0 and shown ~= question and shown ~= nil and question.invoked then
    if is_final then
      say_alone()
    end
    return -- no other candidates: the one that is shown stays
  end
  question.items = items
  if shown ~= question then
    keep_first(question)
  end
  if is_final then
    accepted.settle(question, rest_of)
  end
  if #question.items == 0 then
    shown = nil
    hide()
    if is_final then
      say_nothing(question)
    end
    return
  end
  local wanted = question.wants_next
  if wanted and is_final then
    if #question.items == 1 then
      say_alone()
    end
    question.wants_next = nil
    question.index = (wanted % #question.items) + 1
  end
  shown = question
  if not show() and not asked then
    shown = nil
    if is_final and buffer.may_ask() then
      M.ask(false) -- all of it was typed while it was on its way
    end
  end
end

--- The handler of `$/progress`: a suggestion that grows. All others are Neovim's own.
function M.on_progress(err, params, context, ...)
  if asked and type(params) == 'table' and params.token == asked.token then
    if not asked.wants_next then
      take_items(asked, params.value, false)
    end
    return
  end
  if type(params) == 'table' and type(params.token) == 'string' and vim.startswith(params.token, 'stardraft/') then
    return -- of a question that was let go
  end
  return vim.lsp.handlers['$/progress'](err, params, context, ...)
end

--- Asks for a suggestion at the cursor. What was asked before is superseded.
---@param is_invoked boolean by the user
---@return boolean
function M.ask(is_invoked, wants_next)
  local bufnr = vim.api.nvim_get_current_buf()
  local client = client_of.of(bufnr)
  if not client then
    return false
  end
  last_look = buffer.look()
  n_asked = n_asked + 1
  local before = asked
  local question = {
    client = client,
    place = buffer.place(),
    token = ('stardraft/%d/%d'):format(client.id, n_asked),
    invoked = is_invoked,
    items = {},
    index = 1,
    is_final = false,
    wants_next = wants_next,
  }
  asked = question
  question.number = client_of.request(client, METHOD, {
    textDocument = { uri = vim.uri_from_bufnr(bufnr) },
    position = {
      line = question.place.row,
      character = text.units(question.place.before, client.offset_encoding),
    },
    context = { triggerKind = is_invoked and INVOKED or AUTOMATIC },
    partialResultToken = question.token,
  }, function(err, result)
    if not err then
      take_items(question, result, true)
    elseif question == asked then
      asked = nil
      say_nothing(question, err)
    end
  end, bufnr)
  if not question.number then
    asked = before
    return false
  end
  -- After the new one: a generation that says what was just typed goes on for it.
  drop(before)
  return true
end

--- Something was typed, or the cursor moved: keeps what still fits, asks for what is missing.
function M.follow()
  if not is_on or not buffer.may_ask() then
    M.clear()
    return
  end
  if shown then
    if show() then
      return
    end
    shown = nil
  end
  if not config.get().auto then
    if asked and not buffer.typed_since(asked.place) then
      M.clear()
    end
    return
  end
  if buffer.look() ~= last_look then
    M.ask(false)
  end
end

--- Asks now. The candidates are several where the configuration says so.
---@return boolean
function M.trigger()
  if vim.api.nvim_get_mode().mode ~= 'i' then
    message.say('a suggestion is asked for in insert mode.')
    return false
  end
  if config.is_wanted(vim.api.nvim_get_current_buf()) and M.ask(true) then
    return true
  end
  message.say(require('stardraft.status').sentence(0))
  return false
end

---@return boolean
function M.is_visible()
  if not shown or not buffer.may_show(shown.place.bufnr) then
    return false
  end
  local rest = rest_of(shown)
  return rest ~= nil and rest:find('%S') ~= nil
end

--- Takes `part(rest)` of what is shown into the buffer.
local function take(part)
  if not M.is_visible() then
    return false
  end
  local question = shown
  local item = question.items[question.index]
  local rest, replaces = rest_of(question)
  local piece = part(rest)
  local left = rest:sub(#piece + 1)
  local row, column = buffer.cursor()
  local behind = buffer.behind()
  local n_consumed = text.n_consumed(behind:sub(1, replaces), left)
  hide()
  buffer.insert(row, column, piece, n_consumed)
  -- What stands after the cursor now is what the rest is for.
  item.replaces = replaces - n_consumed
  question.place.behind = behind:sub(n_consumed + 1)
  question.place.n_consumed = question.place.n_consumed + n_consumed
  accepted.take(question, item, rest_of)
  if not left:find('%S') and question.is_final then
    shown = nil
    last_look = nil
  else
    show()
  end
  return true
end

---@return boolean
function M.accept()
  return take(function(rest)
    return rest
  end)
end

---@return boolean
function M.accept_word()
  return take(text.first_word)
end

---@return boolean
function M.accept_line()
  return take(text.first_line)
end

--- The user turns away from what is shown. Returns whether something was.
---@return boolean
function M.leave()
  local was_visible = shown ~= nil and ghost.is_drawn()
  if was_visible then
    accepted.tell_dismissed(shown, shown.items[shown.index])
  end
  M.clear()
  return was_visible
end

--- Takes the suggestion off the screen until something is typed.
---@return boolean
function M.dismiss()
  local was_visible = M.leave()
  last_look = vim.api.nvim_get_mode().mode == 'i' and buffer.look() or nil
  return was_visible
end

local function cycle(step)
  if not M.is_visible() then
    return false
  end
  if shown.invoked and shown.is_final then
    if #shown.items == 1 then
      say_alone()
    end
    shown.index = (shown.index - 1 + step) % #shown.items + 1
    show()
    return true
  end
  return M.ask(true, step)
end

---@return boolean
function M.next()
  return cycle(1)
end

---@return boolean
function M.previous()
  return cycle(-1)
end

return M
