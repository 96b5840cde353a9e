-- Texts and positions: units of three encodings, words, and what of a suggestion stands in the buffer already.
-- Pure functions: nothing here looks at a buffer, but that a word is what 'iskeyword' says.

local M = {}

--- Where each character begins, from 1. A byte that is no UTF-8 counts as a character.
local function starts(text)
  return vim.str_utf_pos(text)
end

--- The length of `text` in units of `encoding` ("utf-8", "utf-16", "utf-32").
---@return integer
function M.units(text, encoding)
  if encoding == 'utf-8' then
    return #text
  end
  local positions = starts(text)
  local n = #positions
  if encoding == 'utf-16' then
    for _, position in ipairs(positions) do
      n = n + (text:byte(position) >= 0xF0 and 1 or 0)
    end
  end
  return n
end

--- How many bytes the first `n_units` of `text` have. One behind the end is the end.
---@return integer
function M.n_bytes(text, n_units, encoding)
  if encoding == 'utf-8' then
    return math.min(n_units, #text)
  end
  local left = n_units
  for _, position in ipairs(starts(text)) do
    if left <= 0 then
      return position - 1
    end
    left = left - ((encoding == 'utf-16' and text:byte(position) >= 0xF0) and 2 or 1)
  end
  return #text
end

--- The first word of a suggestion, with the space in front of it: letters, or signs that stand together.
function M.first_word(text)
  local word = vim.fn.matchstr(text, [[^\%(\s\|\n\)*\%(\k\+\|\%(\k\@![^ \t\n]\)\+\)]])
  return word ~= '' and word or text
end

--- The first line of a suggestion, and the line break in front of it where it begins with one.
function M.first_line(text)
  return text:match('^\n*[^\n]*')
end

--- Where the characters of `replaced` stand in `line`, the last possible places; nil where they do not all.
--- So much of what a suggestion covers stays as it is: an editor's closing bracket is in the suggestion, too.
---@return integer[]? bytes from 1
function M.places(replaced, line)
  local found = {}
  local last = #line
  local positions = starts(replaced)
  for i = #positions, 1, -1 do
    local char = replaced:sub(positions[i], (positions[i + 1] or #replaced + 1) - 1)
    local at
    for j = last - #char + 1, 1, -1 do
      if line:sub(j, j + #char - 1) == char then
        at = j
        break
      end
    end
    if not at then
      return nil
    end
    table.insert(found, 1, at)
    last = at - 1
  end
  return found
end

--- How many bytes of `replaced`, from its beginning, are used up when of a suggestion only `rest` is still to come.
---@return integer
function M.n_consumed(replaced, rest)
  local line = rest:match('^[^\n]*')
  for _, position in ipairs(starts(replaced)) do
    if M.places(replaced:sub(position), line) then
      return position - 1
    end
  end
  return #replaced
end

local CLOSERS = { [')'] = true, [']'] = true, ['}'] = true, ['"'] = true, ["'"] = true, ['`'] = true, ['>'] = true }

--- How many bytes of closers an editor has put after the cursor since; nil where something else was changed there.
---@return integer?
function M.n_closed(behind_before, behind)
  local n = #behind - #behind_before
  if n < 0 or n > 2 or behind:sub(n + 1) ~= behind_before then
    return nil
  end
  for i = 1, n do
    if not CLOSERS[behind:sub(i, i)] then
      return nil
    end
  end
  return n
end

--- What is left of a suggestion where `typed` was typed of it; nil where something else was typed.
---@param n_closed integer bytes of closers that the editor put after the cursor meanwhile
---@param behind string what stands after the cursor
---@return string? rest, integer replaces bytes after the cursor that the rest takes the place of
function M.rest(text, replaces, typed, n_closed, behind)
  if text:sub(1, #typed) ~= typed then
    return nil, 0
  end
  local rest = text:sub(#typed + 1)
  replaces = replaces + n_closed
  if n_closed > 0 and rest ~= '' and not M.places(behind:sub(1, replaces), rest:match('^[^\n]*')) then
    return nil, 0
  end
  return rest, replaces
end

--- Tabs as the spaces that they take, control characters as Neovim shows them. `column` is where it begins.
function M.shown(text, column, tab_width)
  local out = {}
  local positions = starts(text)
  for i, position in ipairs(positions) do
    local char = text:sub(position, (positions[i + 1] or #text + 1) - 1)
    if char == '\t' then
      char = (' '):rep(tab_width - column % tab_width)
    elseif char:byte() < 0x20 or char == '\127' then
      char = vim.fn.strtrans(char)
    end
    column = column + vim.api.nvim_strwidth(char)
    table.insert(out, char)
  end
  return table.concat(out)
end

return M
