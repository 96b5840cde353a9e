/** Where stardraft's configuration file is, and how a new one begins. The server's documentation names the paths. */

import * as path from "node:path";

export function configurationFile(
  platform: NodeJS.Platform,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): string {
  if (env.STARDRAFT_CONFIG) {
    return env.STARDRAFT_CONFIG;
  }
  if (platform === "win32") {
    return path.win32.join(env.LOCALAPPDATA ?? path.win32.join(home, "AppData", "Local"), "stardraft", "config.toml");
  }
  if (platform === "darwin") {
    return path.posix.join(home, "Library", "Application Support", "stardraft", "config.toml");
  }
  const xdg = env.XDG_CONFIG_HOME;
  const folder = xdg !== undefined && path.posix.isAbsolute(xdg) ? xdg : path.posix.join(home, ".config");
  return path.posix.join(folder, "stardraft", "config.toml");
}

export const NEW_CONFIGURATION = `# stardraft's configuration. A running daemon notices when this file is saved.
# Every setting: docs/configuration.md of stardraft. What is left out has its default.

[model]
# path = "~/models/starcoder2-3b-Q4_K_M.gguf"
# gpu_layers = "auto"

[editor]
# disabled_languages = ["markdown", "plaintext"]
`;
