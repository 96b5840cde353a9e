-- The plugin's settings: what they are by default, what the user set, and whether that can be right.
-- The server's own settings are not here: they are handed on as they stand, in `settings`.

local M = {}

---@class stardraft.Config
M.defaults = {
  -- Whether suggestions come by themselves. Off, the trigger key still asks for one.
  auto = true,
  -- Starts `stardraft lsp` for the files that are opened. Off, do it with vim.lsp.enable('stardraft').
  autostart = true,
  cmd = { 'stardraft', 'lsp' },
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' },
  -- By file type; ['*'] is for all that are not named.
  filetypes = { ['*'] = true },
  -- Settings of the server, as docs/configuration.md has them under [editor], in camelCase.
  settings = {},
  -- Keys of insert mode; false leaves one out. All but `trigger` exist only while a suggestion is shown.
  keys = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-C-Right>',
    dismiss = '<C-]>',
    next = '<M-]>',
    previous = '<M-[>',
    trigger = '<M-\\>',
  },
  -- Shows nothing while a completion menu is open (Neovim's own, nvim-cmp's or blink.cmp's).
  hide_with_menu = true,
  -- What the status line shows, by state.
  status = {
    starting = 'stardraft ...',
    idle = 'stardraft -',
    loading = 'stardraft loading',
    ready = 'stardraft',
    busy = 'stardraft *',
    off = 'stardraft off',
    snoozed = 'stardraft zz', -- and the minutes that are left
    error = 'stardraft !',
  },
}

local NAMES = 'see :help stardraft-settings'
local own = {} ---@type table what setup() was given
local effective ---@type stardraft.Config?
local complaints = {} ---@type string[]

-- Tables whose keys are the user's own.
local FREE = { filetypes = true, settings = true }
local LISTS = { cmd = true, root_markers = true }

local function is_fitting(path, default, value)
  if type(default) == 'string' and path:match('^keys%.') then
    return value == false or type(value) == 'string'
  end
  if path == 'cmd' then
    return type(value) == 'table' and type(value[1]) == 'string'
  end
  return type(value) == type(default)
end

local function merge(into, given, path)
  for key, value in pairs(given) do
    local name = path == '' and tostring(key) or path .. '.' .. tostring(key)
    local default = into[key]
    if default == nil then
      table.insert(complaints, ('There is no setting %s of stardraft: %s.'):format(name, NAMES))
    elseif not is_fitting(name, default, value) then
      table.insert(complaints, ('The setting %s of stardraft cannot be %s: %s.'):format(name, vim.inspect(value), NAMES))
    elseif FREE[name] then
      into[key] = vim.tbl_deep_extend('force', default, value)
    elseif type(default) == 'table' and not LISTS[name] then
      merge(default, value, name)
    else
      into[key] = value
    end
  end
end

--- The settings that hold: the defaults, vim.g.stardraft over them, setup's over those.
---@return stardraft.Config
function M.get()
  if not effective then
    complaints = {}
    effective = vim.deepcopy(M.defaults)
    for _, given in ipairs({ vim.g.stardraft or {}, own }) do
      if type(given) == 'table' then
        merge(effective, given, '')
      else
        table.insert(complaints, 'vim.g.stardraft is not a table: ' .. NAMES .. '.')
      end
    end
    for _, complaint in ipairs(complaints) do
      require('stardraft.message').say(complaint, 'WarningMsg')
    end
  end
  return effective
end

--- Takes over what the user gave to setup().
function M.set(given)
  own = given or {}
  effective = nil
  return M.get()
end

--- What of the settings is wrong, in sentences.
---@return string[]
function M.complaints()
  M.get()
  return complaints
end

--- Whether suggestions are wanted in a buffer: files only, and those that nobody switched off.
---@param bufnr integer
---@return boolean, string why not
function M.is_wanted(bufnr)
  local name = vim.api.nvim_buf_is_valid(bufnr) and vim.api.nvim_buf_get_name(bufnr) or ''
  -- A terminal has its name, term://..., before it has its type.
  if name == '' or name:match('^%a[%w+.-]+://') or vim.bo[bufnr].buftype ~= '' then
    return false, 'this buffer is not a file'
  end
  if vim.b[bufnr].stardraft == false then
    return false, 'they are off in this buffer'
  elseif vim.b[bufnr].stardraft == true then
    return true, ''
  end
  local filetypes = M.get().filetypes
  local filetype = vim.bo[bufnr].filetype
  local on = filetypes[filetype]
  if on == nil then
    on = filetypes['*'] ~= false
  end
  return on, on and '' or ('they are off for the file type "%s"'):format(filetype)
end

return M
