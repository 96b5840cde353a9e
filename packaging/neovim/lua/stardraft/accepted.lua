-- What is told to the server of suggestions that were shown and taken, for `stardraft stats`, which stays on this computer.

local client_of = require('stardraft.client')
local text = require('stardraft.text')

local M = {}

--- UTF-16 units of an item's own insertText that `typed` is, which has "\n" where the item may have "\r\n".
local function units_of(item, typed)
  local taken = (item.lead or '') .. typed
  local has_crlf = item.raw.insertText:find('\r\n', 1, true) ~= nil
  if has_crlf then
    taken = taken:gsub('\n', '\r\n')
  end
  return text.units(taken, 'utf-16')
end

--- The item is on the screen. Once for each that the server has a name for.
function M.tell_shown(question, item)
  if item.raw.command and not item.raw_shown then
    item.raw_shown = true
    client_of.notify(question.client, 'textDocument/didShowCompletion', { item = item.raw })
  end
end

--- The user has sent the item away.
function M.tell_dismissed(question, item)
  if item and item.raw.command then
    client_of.notify(question.client, 'stardraft/didDismiss', { item = item.raw })
  end
end

local function tell(question, item, typed, rest)
  local command = item.raw.command
  if not command then
    return false
  end
  if rest == '' then
    client_of.request(question.client, 'workspace/executeCommand', {
      command = command.command,
      arguments = command.arguments,
    }, function() end, question.place.bufnr)
  else
    client_of.notify(question.client, 'textDocument/didPartiallyAcceptCompletion', {
      item = item.raw,
      acceptedLength = units_of(item, typed),
    })
  end
  return true
end

--- Something of the item was taken into the buffer. One that still grows has no name yet: told by `settle`.
function M.take(question, item, rest_of)
  local rest, _, typed = rest_of(question)
  if rest and not tell(question, item, typed, rest) then
    question.taken = { typed = typed }
  end
end

--- The server has said all of a suggestion: what was taken of it while it grew is told now.
function M.settle(question, rest_of)
  local item = question.items[question.index]
  if question.taken and item then
    local rest, _, typed = rest_of(question)
    local taken = question.taken
    question.taken = nil
    if rest then
      tell(question, item, #typed > #taken.typed and taken.typed or typed, item.text:sub(#taken.typed + 1))
    end
  end
end

return M
