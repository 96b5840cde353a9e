/** Snooze, and the switches: for a while, for good, for a language. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { type Change, type Layers, type Scope, inGeneral, isOnFor, offIn, toggled, toggledFor } from "./pure/switching.js";

const PERIODS: readonly { readonly label: string; readonly minutes: number }[] = [
  { label: "5 minutes", minutes: 5 },
  { label: "15 minutes", minutes: 15 },
  { label: "60 minutes", minutes: 60 },
  { label: "Until I say so", minutes: Number.POSITIVE_INFINITY },
];

/** No suggestions in this window for a while. The server knows it, too; a new server is told again. */
export class Quiet implements vscode.Disposable {
  private untilMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;

  constructor(private readonly client: () => LanguageClient | undefined) {}

  /** Milliseconds that are left; Infinity until a user says so. */
  get leftMs(): number {
    return Math.max(0, this.untilMs - Date.now());
  }

  /** Asks for how long, unless it is said. */
  async snooze(minutes?: number): Promise<void> {
    const chosen = isPeriod(minutes)
      ? { minutes }
      : await vscode.window.showQuickPick(PERIODS, { title: "No suggestions for ..." });
    if (chosen !== undefined) {
      this.untilMs = Date.now() + chosen.minutes * 60_000;
      await this.tell();
    }
  }

  async wake(): Promise<void> {
    this.untilMs = 0;
    await this.client()?.sendRequest("stardraft/switch", { enabled: true });
    this.refresh();
  }

  /** The server is new, or it is later. */
  async tell(): Promise<void> {
    const left = this.leftMs;
    const client = this.client();
    this.refresh();
    if (client === undefined || left === 0) {
      return;
    }
    if (Number.isFinite(left)) {
      await client.sendRequest("stardraft/snooze", { minutes: left / 60_000 });
    } else {
      await client.sendRequest("stardraft/switch", { enabled: false });
    }
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.changed.dispose();
  }

  /** Has the status follow the minutes. */
  private refresh(): void {
    clearTimeout(this.timer);
    const left = this.leftMs;
    void vscode.commands.executeCommand("setContext", "stardraft.quiet", left > 0);
    if (left > 0 && Number.isFinite(left)) {
      this.timer = setTimeout(() => this.refresh(), Math.min(left, 30_000) + 50);
    }
    this.changed.fire();
  }
}

function isPeriod(minutes: unknown): minutes is number {
  return typeof minutes === "number" && minutes > 0 && (minutes <= 10_080 || minutes === Number.POSITIVE_INFINITY);
}

/** What the configuration file says, where the editor's own settings say nothing. */
interface Base {
  readonly enabled: boolean;
  readonly disabledLanguages: readonly string[];
}

const OLD_LIST = "languagesOff";

async function baseOf(client: LanguageClient | undefined): Promise<Base> {
  const answer = await client?.sendRequest<{ configured?: Base } | null>("stardraft/status", {}).catch(() => undefined);
  return answer?.configured ?? { enabled: true, disabledLanguages: [] };
}

/** The list of languages; where it is set under its name of the version before alone, that counts. */
function disabledLayers(base: Base): Layers<readonly string[]> {
  const now = layersOf("disabledLanguages", base.disabledLanguages);
  const old = layersOf(OLD_LIST, base.disabledLanguages);
  return { base: now.base, global: now.global ?? old.global, workspace: now.workspace ?? old.workspace };
}

function layersOf<T>(key: string, base: T, language?: string): Layers<T> {
  const scope = language === undefined ? undefined : { languageId: language };
  const found = vscode.workspace.getConfiguration("stardraft", scope).inspect<T>(key);
  return {
    base,
    global: found?.globalValue,
    workspace: found?.workspaceValue,
    globalLanguage: found?.globalLanguageValue,
    workspaceLanguage: found?.workspaceLanguageValue,
  };
}

async function write(changes: readonly Change[]): Promise<void> {
  for (const { key, scope, language, value } of changes) {
    const settings = vscode.workspace.getConfiguration(
      "stardraft",
      language === undefined ? undefined : { languageId: language },
    );
    const { Global, Workspace } = vscode.ConfigurationTarget;
    const target = scope === "global" ? Global : Workspace;
    await settings.update(key, value, target, language !== undefined);
    if (key === "disabledLanguages" && layersOf<readonly string[]>(OLD_LIST, [])[scope] !== undefined) {
      await settings.update(OLD_LIST, undefined, target); // what it said is in the new one
    }
  }
}

/** Suggestions on or off, in the settings: where the setting stands now, else in the user's own. */
export async function toggle(client: LanguageClient | undefined): Promise<void> {
  const base = await baseOf(client);
  const ids = vscode.workspace.getConfiguration("stardraft").inspect("enabled")?.languageIds ?? [];
  const languages = new Map(ids.map((id) => [id, layersOf("enabled", base.enabled, id)]));
  await write(toggled(layersOf("enabled", base.enabled), languages));
}

/** The same for the language of the document that has the focus. */
export async function toggleLanguage(client: LanguageClient | undefined): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language === undefined) {
    await vscode.window.showInformationMessage("Open a file of the language first.");
    return;
  }
  const base = await baseOf(client);
  const enabled = layersOf("enabled", base.enabled, language);
  const off = disabledLayers(base);
  await write(toggledFor(language, enabled, off));
  const now = isOnFor(language, enabled, off) ? "off" : "on";
  vscode.window.setStatusBarMessage(`stardraft: suggestions are ${now} for ${language}`, 5_000);
}

/** Whose settings have suggestions off. */
export function switchedOffIn(): Scope | undefined {
  return offIn(layersOf("enabled", true));
}

/** Whether suggestions are on, in general and for a language. */
export async function switchedOn(
  client: LanguageClient | undefined,
  language: string | undefined,
): Promise<{ readonly all: boolean; readonly language: boolean }> {
  const base = await baseOf(client);
  const off = disabledLayers(base);
  return {
    all: inGeneral(layersOf("enabled", base.enabled)),
    language: language !== undefined && isOnFor(language, layersOf("enabled", base.enabled, language), off),
  };
}
