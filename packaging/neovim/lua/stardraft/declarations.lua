-- `stardraft/declarations`: the server asks where names are declared, and the buffer's other language servers answer.
-- What none of them knows within the time is null; stardraft itself is never asked.

local client_of = require('stardraft.client')
local text = require('stardraft.text')

local M = {}

local METHOD = 'textDocument/definition'
local MAX_WAIT_MS = 500
local MAX_POSITIONS = 32

local function line_of(bufnr, row)
  return vim.api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ''
end

--- A position in another encoding's units. Without the line's text the number stays as it is.
local function in_units(bufnr, position, from, to)
  if from == to or not bufnr or not vim.api.nvim_buf_is_loaded(bufnr) then
    return position
  end
  local line = line_of(bufnr, position.line)
  local n_bytes = text.n_bytes(line, position.character, from)
  return { line = position.line, character = text.units(line:sub(1, n_bytes), to) }
end

--- Location, Location[] or LocationLink[] as {uri, range} in `encoding`; nil where nothing is.
local function location(result, from, encoding)
  if type(result) ~= 'table' then
    return nil
  end
  local one = result.uri and result or result[1]
  local uri = type(one) == 'table' and (one.uri or one.targetUri)
  local range = type(one) == 'table' and (one.range or one.targetSelectionRange or one.targetRange)
  if type(uri) ~= 'string' or type(range) ~= 'table' then
    return nil
  end
  local found = vim.fn.bufnr(vim.uri_to_fname(uri))
  local bufnr = found > 0 and found or nil
  return {
    uri = uri,
    range = {
      start = in_units(bufnr, range.start, from, encoding),
      ['end'] = in_units(bufnr, range['end'], from, encoding),
    },
  }
end

--- Asks all others about all positions; `when_done` gets the answers that came in time.
local function ask(bufnr, params, encoding, others, when_done)
  local answers, n_waiting, is_done = {}, 0, false
  local cancels = {}
  local function finish()
    if not is_done then
      is_done = true
      for _, cancel in pairs(cancels) do
        cancel()
      end
      when_done(answers)
    end
  end
  n_waiting = n_waiting + 1
  for i, position in ipairs(params.positions) do
    if i > MAX_POSITIONS then
      break
    end
    for _, other in ipairs(others) do
      local key = #cancels + 1
      local asked = {
        textDocument = params.textDocument,
        position = in_units(bufnr, position, encoding, other.offset_encoding),
      }
      cancels[key] = function() end
      n_waiting = n_waiting + 1
      local number = client_of.request(other, METHOD, asked, function(err, result)
        cancels[key] = nil
        n_waiting = n_waiting - 1
        answers[i] = answers[i] or (not err and location(result, other.offset_encoding, encoding)) or nil
        if n_waiting == 0 then
          finish()
        end
      end, bufnr)
      if number and cancels[key] then
        cancels[key] = function()
          client_of.cancel(other, number)
        end
      elseif not number then
        cancels[key] = nil
        n_waiting = n_waiting - 1
      end
    end
  end
  n_waiting = n_waiting - 1
  if n_waiting == 0 then
    finish()
  else
    vim.defer_fn(finish, MAX_WAIT_MS)
  end
end

--- The buffer's other servers that know definitions.
local function others_of(bufnr, own_id)
  return vim.tbl_filter(function(client)
    return client.id ~= own_id and client.name ~= client_of.NAME and client.server_capabilities.definitionProvider
  end, vim.lsp.get_clients({ bufnr = bufnr }))
end

--- The handler of the request. Neovim runs it in a coroutine, so it may wait.
function M.answer(_, params, context)
  local n = #params.positions
  local nothing = {}
  for i = 1, n do
    nothing[i] = vim.NIL
  end
  local bufnr = vim.fn.bufnr(vim.uri_to_fname(params.textDocument.uri))
  local client = vim.lsp.get_client_by_id(context.client_id)
  local running, is_main = coroutine.running()
  local others = bufnr > 0 and client and others_of(bufnr, client.id) or {}
  if n == 0 or #others == 0 or not running or is_main then
    return nothing
  end
  local answers, is_waiting
  ask(bufnr, params, client.offset_encoding, others, function(found)
    answers = found
    if is_waiting then
      coroutine.resume(running)
    end
  end)
  if not answers then
    is_waiting = true
    coroutine.yield()
  end
  for i, answer in pairs(answers) do
    nothing[i] = answer
  end
  return nothing
end

return M
