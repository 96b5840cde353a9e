/** The status bar item, and the menu behind it. */

import * as vscode from "vscode";

import { type Quiet, switchedOffIn, switchedOn } from "./quiet.js";
import { shownStatus } from "./pure/status_text.js";
import type { ServerLife } from "./server_life.js";

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly life: ServerLife,
    private readonly quiet: Quiet,
  ) {
    this.item = vscode.window.createStatusBarItem("stardraft.status", vscode.StatusBarAlignment.Right, 100);
    this.item.name = "stardraft";
    this.item.command = "stardraft.menu";
    this.subscriptions = [life.onDidChange(() => this.refresh()), quiet.onDidChange(() => this.refresh())];
    this.refresh();
    this.item.show();
  }

  dispose(): void {
    this.item.dispose();
    for (const one of this.subscriptions) {
      one.dispose();
    }
  }

  private refresh(): void {
    const shown = shownStatus(this.situation);
    this.item.text = shown.text;
    this.item.tooltip = ["stardraft", ...shown.lines].join("\n");
    this.item.accessibilityInformation = { label: `stardraft: ${shown.lines.join(" ")}` };
    this.item.backgroundColor =
      shown.severity === "" ? undefined : new vscode.ThemeColor(`statusBarItem.${shown.severity}Background`);
  }

  private get situation(): Parameters<typeof shownStatus>[0] {
    return {
      server: this.life.state,
      report: this.life.report,
      quietMs: this.quiet.leftMs,
      offIn: switchedOffIn(),
    };
  }

  /** The state and its reason at the top, what can be done about it below. */
  async menu(): Promise<void> {
    const shown = shownStatus(this.situation);
    const language = vscode.window.activeTextEditor?.document.languageId;
    const isOn = await switchedOn(this.life.client, language);
    const isRunning = this.life.state.kind === "running";
    const all: (readonly [string, string, boolean])[] = [
      ["$(cloud-download) Install the server for this editor...", "installServer", this.life.state.kind === "missing"],
      ["$(bell) Resume suggestions", "wake", this.quiet.leftMs > 0],
      ["$(bell-slash) Snooze...", "snooze", isRunning && this.quiet.leftMs === 0],
      [`$(circle-slash) Switch suggestions ${isOn.all ? "off" : "on"}`, "toggle", this.quiet.leftMs === 0],
      [
        `$(code) Switch suggestions ${isOn.language ? "off" : "on"} for ${language ?? ""}`,
        "toggleLanguage",
        language !== undefined,
      ],
      ["$(lightbulb) Suggest now", "trigger", isRunning && language !== undefined],
      ["$(references) Where the suggestion comes from", "origin", isRunning && language !== undefined],
      ["$(server) Which model fits this computer?", "planModel", isRunning],
      ["$(cloud-download) Get the real model", "pullModel", isRunning],
      ["$(graph) How suggestions fared", "stats", isRunning],
      ["$(checklist) Check the installation (doctor)", "doctor", this.life.state.kind !== "missing"],
      ["$(output) The extension's log", "log", true],
      ["$(output) The daemon's log", "daemonLog", this.life.state.kind !== "missing"],
      ["$(debug-restart) Restart the language server", "restartServer", true],
      ["$(debug-restart) Restart the daemon", "restartDaemon", isRunning],
      ["$(gear) Settings", "openSettings", true],
      ["$(file) Configuration file", "openConfiguration", true],
    ];
    const entries = all.filter(([, , fits]) => fits).map(([label, command]) => ({ label, command }));
    const chosen = await vscode.window.showQuickPick(entries, {
      title: "stardraft",
      placeHolder: shown.lines.join(" "),
    });
    if (chosen !== undefined) {
      await vscode.commands.executeCommand(`stardraft.${chosen.command}`);
    }
  }
}
