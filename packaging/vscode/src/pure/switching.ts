/**
 * Which settings a switch changes: the least that makes it so, and its second use takes away what the first wrote.
 *
 * No editor here. `base` is what holds where the editor's settings say nothing: stardraft's configuration file.
 */

export type Scope = "global" | "workspace";

/** What the editor has of one setting, weakest first; what is not set is not there. */
export interface Layers<T> {
  readonly base: T;
  readonly global?: T | undefined;
  readonly workspace?: T | undefined;
  readonly globalLanguage?: T | undefined;
  readonly workspaceLanguage?: T | undefined;
}

/** One change of the editor's settings. `value`: undefined takes the setting away. `language`: for it alone. */
export interface Change {
  readonly key: "enabled" | "disabledLanguages";
  readonly scope: Scope;
  readonly language?: string;
  readonly value: boolean | readonly string[] | undefined;
}

export function inForce<T>(layers: Layers<T>): T {
  return layers.workspaceLanguage ?? layers.globalLanguage ?? layers.workspace ?? layers.global ?? layers.base;
}

/** What is in force where no language has a setting of its own. */
export function inGeneral<T>(layers: Layers<T>): T {
  return layers.workspace ?? layers.global ?? layers.base;
}

/** Whose settings have suggestions off where no language has a setting of its own; undefined where none have. */
export function offIn(enabled: Layers<boolean>): Scope | undefined {
  if (enabled.workspace !== undefined) {
    return enabled.workspace ? undefined : "workspace";
  }
  return enabled.global === false ? "global" : undefined;
}

/** Suggestions on or off for all. Off is off, and on is on: languages that were switched on by themselves go with it. */
export function toggled(enabled: Layers<boolean>, languages: ReadonlyMap<string, Layers<boolean>>): readonly Change[] {
  const wanted = !inGeneral(enabled);
  const scope = enabled.workspace === undefined ? "global" : "workspace";
  const below = scope === "workspace" ? (enabled.global ?? enabled.base) : enabled.base;
  const changes: Change[] = [{ key: "enabled", scope, value: below === wanted ? undefined : wanted }];
  for (const [language, own] of languages) {
    if (own.globalLanguage === true) {
      changes.push({ key: "enabled", scope: "global", language, value: undefined });
    }
    if (own.workspaceLanguage === true) {
      changes.push({ key: "enabled", scope: "workspace", language, value: undefined });
    }
  }
  return changes;
}

export function isOnFor(language: string, enabled: Layers<boolean>, off: Layers<readonly string[]>): boolean {
  return inForce(enabled) && !inForce(off).includes(language);
}

/** Suggestions on or off for one language; `enabled` as it is for that language. */
export function toggledFor(
  language: string,
  enabled: Layers<boolean>,
  off: Layers<readonly string[]>,
): readonly Change[] {
  const wanted = !isOnFor(language, enabled, off);
  const changes: Change[] = [];
  const list = inForce(off);
  if (wanted && list.includes(language)) {
    const scope = off.workspace === undefined ? "global" : "workspace";
    const below = scope === "workspace" ? (off.global ?? off.base) : off.base;
    const rest = list.filter((one) => one !== language);
    const isBelow = rest.length === below.length && rest.every((one, index) => one === below[index]);
    changes.push({ key: "disabledLanguages", scope, value: isBelow ? undefined : rest });
  }
  if (inForce(enabled) !== wanted) {
    const scope = enabled.workspaceLanguage === undefined ? "global" : "workspace";
    const { globalLanguage, ...general } = { ...enabled, workspaceLanguage: undefined };
    const below = scope === "workspace" ? inForce({ ...general, globalLanguage }) : inForce(general);
    changes.push({ key: "enabled", scope, language, value: below === wanted ? undefined : wanted });
  }
  return changes;
}
