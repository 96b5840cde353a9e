/** What is done with the `stardraft` program in a terminal, and the files and pages that a command opens. */

import * as os from "node:os";

import * as vscode from "vscode";

import type { Locator } from "./locator.js";
import { NEW_CONFIGURATION, configurationFile } from "./pure/configuration_file.js";
import { commandLine } from "./pure/shell.js";

const EXAMPLE = `class Shelf:
    """Things, and who has borrowed them."""

    def __init__(self) -> None:
        self.items: dict[str, str] = {}

    def lend(self, item: str, borrower: str) -> None:
        self.items[item] = borrower

    def take_back(self, item: str) -> None:
        
`;
const EXAMPLE_CURSOR = new vscode.Position(10, 8);

/** The commands that run in a terminal: a user sees what runs, may answer, and can run it again. */
const IN_TERMINAL: Readonly<Record<string, readonly string[]>> = {
  planModel: ["model", "plan"],
  pullModel: ["model", "pull", "starcoder2-3b", "--use"],
  stats: ["stats"],
  doctor: ["doctor"],
  daemonLog: ["daemon", "logs", "-f"],
  restartDaemon: ["daemon", "restart"],
};

export function toolCommands(
  locator: Locator,
  log: vscode.LogOutputChannel,
  askWhenReady: () => Promise<void>,
): vscode.Disposable[] {
  const command = (name: string, work: () => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(`stardraft.${name}`, work);
  return [
    ...Object.entries(IN_TERMINAL).map(([name, args]) => command(name, () => inTerminal(locator, args))),
    command("log", () => log.show()),
    command("openConfiguration", openConfiguration),
    command("openSettings", () =>
      vscode.commands.executeCommand("workbench.action.openSettings", "@ext:stardraft.stardraft"),
    ),
    command("openWalkthrough", () =>
      vscode.commands.executeCommand("workbench.action.openWalkthrough", "stardraft.stardraft#start", false),
    ),
    command("openExample", async () => {
      await openExample();
      await askWhenReady();
    }),
  ];
}

async function inTerminal(locator: Locator, args: readonly string[]): Promise<void> {
  const found = await locator.find().catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    void offerToInstall(message);
    return undefined;
  });
  if (found === undefined) {
    return;
  }
  const terminal =
    vscode.window.terminals.find((one) => one.name === "stardraft" && one.exitStatus === undefined && !isBusy(one)) ??
    vscode.window.createTerminal({ name: "stardraft", cwd: os.homedir(), iconPath: new vscode.ThemeIcon("zap") });
  terminal.show();
  terminal.sendText(commandLine(vscode.env.shell, [found.command, ...found.args, ...args]));
}

async function offerToInstall(message: string): Promise<void> {
  if ((await vscode.window.showErrorMessage(message, "Install It...")) !== undefined) {
    await vscode.commands.executeCommand("stardraft.installServer");
  }
}

/** Where it cannot be told (no shell integration), a new terminal is taken: a download may run in the old one. */
function isBusy(terminal: vscode.Terminal): boolean {
  return terminal.state.isInteractedWith;
}

/** The file itself, or a new one at its place that exists when it is saved. */
async function openConfiguration(): Promise<void> {
  const file = vscode.Uri.file(configurationFile(process.platform, process.env, os.homedir()));
  try {
    await vscode.window.showTextDocument(file);
  } catch {
    const document = await vscode.workspace.openTextDocument(file.with({ scheme: "untitled" }));
    const editor = await vscode.window.showTextDocument(document);
    if (document.getText() === "") {
      await editor.edit((edit) => edit.insert(new vscode.Position(0, 0), NEW_CONFIGURATION));
    }
  }
}

async function openExample(): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ language: "python", content: EXAMPLE });
  await vscode.window.showTextDocument(document, {
    selection: new vscode.Range(EXAMPLE_CURSOR, EXAMPLE_CURSOR),
    viewColumn: vscode.ViewColumn.Beside,
  });
  // The walkthrough takes the focus back when the list of commands closes: without it nothing is suggested.
  await vscode.window.showTextDocument(document, vscode.window.activeTextEditor?.viewColumn);
}
