/**
 * The editor's settings as the server asks for them (`workspace/configuration`, section "stardraft").
 *
 * Only what a user has set is sent: what is not set is the configuration file's to say. Settings for one
 * language (`"[markdown]": {"stardraft.enabled": false}`) go under `languages`, as the server has them.
 */

/** The settings that are the server's, without "stardraft."; what is not named here is this extension's own. */
export const SERVER_KEYS = [
  "enabled",
  "disabledLanguages",
  "streaming",
  "mode",
  "maxBlockLines",
  "candidates",
  "inComments",
  "inStrings",
  "midLine",
  "confidence",
  "echo",
  "crossFile",
  "stats",
  "debounceMs",
] as const;

/** Names of the version before, which the server still knows, and tells of. */
export const OLD_KEYS = ["languagesOff", "beforeText", "maxPrefixBytes", "maxSuffixBytes"] as const;

/** What an editor knows of one setting, weakest first; `undefined` where it is not set. */
export interface Inspected {
  readonly globalValue?: unknown;
  readonly workspaceValue?: unknown;
  readonly workspaceFolderValue?: unknown;
  readonly globalLanguageValue?: unknown;
  readonly workspaceLanguageValue?: unknown;
  readonly workspaceFolderLanguageValue?: unknown;
  readonly languageIds?: readonly string[] | undefined;
}

/** Looks a setting up, for all languages or for one. */
export type Inspect = (key: string, language?: string) => Inspected | undefined;

type Values = Record<string, unknown>;

/** What the server is answered. */
export function serverSettings(inspect: Inspect): Values {
  const values: Values = {};
  const languages: Record<string, Values> = {};
  for (const key of [...SERVER_KEYS, ...OLD_KEYS]) {
    const found = inspect(key);
    const value = strongest(found?.workspaceFolderValue, found?.workspaceValue, found?.globalValue);
    if (value !== undefined) {
      values[key] = value;
    }
    for (const language of found?.languageIds ?? []) {
      const special = inspect(key, language);
      const own = strongest(
        special?.workspaceFolderLanguageValue,
        special?.workspaceLanguageValue,
        special?.globalLanguageValue,
      );
      if (own !== undefined) {
        (languages[language] ??= {})[key] = own;
      }
    }
  }
  if (Object.keys(languages).length > 0) {
    values.languages = languages;
  }
  const folders = inspect("folders");
  const patterns = strongest(folders?.workspaceFolderValue, folders?.workspaceValue, folders?.globalValue);
  if (typeof patterns === "object" && Object.keys(patterns as object).length > 0) {
    values.folders = patterns;
  }
  return values;
}

/** The first that is set; null is "not set" as well. */
function strongest(...values: unknown[]): unknown {
  return values.find((value) => value !== undefined && value !== null);
}
