/** Snooze, and the switches: for a while, for good, for a language. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

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

  /** Milliseconds that are left; Infinity until a person says so. */
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

/** Suggestions on or off, in the settings: where the setting stands now, else in the person's own. */
export async function toggle(): Promise<void> {
  const settings = vscode.workspace.getConfiguration("stardraft");
  const isOn = settings.get<boolean>("enabled", true);
  await settings.update("enabled", !isOn, targetOf(settings.inspect("enabled")?.workspaceValue));
}

/** The same for the language of the document that has the focus. */
export async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (language === undefined) {
    await vscode.window.showInformationMessage("Open a file of the language first.");
    return;
  }
  const settings = vscode.workspace.getConfiguration("stardraft", { languageId: language });
  const off = settings.get<readonly string[]>("languagesOff", []);
  const isListed = off.includes(language);
  const isOn = settings.get<boolean>("enabled", true) && !isListed;
  if (isListed) {
    const rest = off.filter((one) => one !== language);
    await settings.update("languagesOff", rest, targetOf(settings.inspect("languagesOff")?.workspaceValue));
  }
  if (!isListed || !settings.get<boolean>("enabled", true)) {
    const target = targetOf(settings.inspect("enabled")?.workspaceLanguageValue);
    await settings.update("enabled", !isOn, target, true);
  }
  const now = isOn ? "off" : "on";
  vscode.window.setStatusBarMessage(`stardraft: suggestions are ${now} for ${language}`, 5_000);
}

export function isLanguageOn(language: string): boolean {
  const settings = vscode.workspace.getConfiguration("stardraft", { languageId: language });
  return settings.get<boolean>("enabled", true) && !settings.get<readonly string[]>("languagesOff", []).includes(language);
}

function targetOf(workspaceValue: unknown): vscode.ConfigurationTarget {
  return workspaceValue === undefined ? vscode.ConfigurationTarget.Global : vscode.ConfigurationTarget.Workspace;
}
