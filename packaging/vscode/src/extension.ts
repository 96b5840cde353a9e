/** Where it begins: the parts are made and put together, and what changes is passed on. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { acceptingCommands } from "./accepting.js";
import { GhostText } from "./ghost_text.js";
import { Installer } from "./installer.js";
import { Locator } from "./locator.js";
import { showOrigin } from "./origin.js";
import { Quiet, toggle, toggleLanguage } from "./quiet.js";
import { shownStatus } from "./pure/status_text.js";
import { ServerLife } from "./server_life.js";
import { StatusBar } from "./status_bar.js";
import { toolCommands } from "./tools.js";

/** Settings that only count when the server starts. */
const AT_START = ["serverPath", "interpreter", "serverArguments"];

let life: ServerLife | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("stardraft", { log: true });
  const version = (context.extension.packageJSON as { readonly version: string }).version;
  const locator = new Locator(context.globalStorageUri);
  const ghost = new GhostText(context.extension.id);
  const server = new ServerLife(version, locator, ghost, log);
  const client = (): LanguageClient | undefined => server.client;
  const quiet = new Quiet(client);
  const installer = new Installer(context.extensionUri, locator, log, () => server.restart());
  const bar = new StatusBar(server, quiet);
  life = server;
  const command = (name: string, work: (...args: never[]) => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(`stardraft.${name}`, work);
  context.subscriptions.push(
    log,
    ghost,
    quiet,
    bar,
    ...acceptingCommands(ghost, client, () => whyNothing(server)),
    ...toolCommands(locator, log, () => askWhenReady(server, ghost)),
    command("origin", () => showOrigin(client(), () => whyNothing(server))),
    command("menu", () => bar.menu()),
    command("snooze", (minutes?: number) => quiet.snooze(minutes)),
    command("wake", () => quiet.wake()),
    // Who wants suggestions back has them back, whatever put them off.
    command("toggle", () => (quiet.leftMs > 0 ? quiet.wake() : toggle(client()))),
    command("toggleLanguage", () => toggleLanguage(client())),
    command("restartServer", () => server.restart()),
    command("installServer", () => installer.install()),
    command("removeServer", () => installer.remove()),
    vscode.window.onDidChangeActiveTextEditor((editor) => focused(server, editor)),
    vscode.workspace.onDidChangeConfiguration((event) => void configured(server, event)),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      if (server.state.kind === "missing") {
        void server.restart();
      }
    }),
    server.onDidStart(() => {
      void quiet.tell();
      focused(server, vscode.window.activeTextEditor);
    }),
    server.onDidChange(
      () => void vscode.commands.executeCommand("setContext", "stardraft.managed", installer.hasManaged),
    ),
  );
  void vscode.commands.executeCommand("setContext", "stardraft.managed", installer.hasManaged);
  installer.tidy();
  void server.restart();
}

export async function deactivate(): Promise<void> {
  await life?.dispose();
}

async function configured(server: ServerLife, event: vscode.ConfigurationChangeEvent): Promise<void> {
  if (AT_START.some((key) => event.affectsConfiguration(`stardraft.${key}`))) {
    await server.restart();
  } else if (event.affectsConfiguration("stardraft")) {
    await server.settingsChanged();
  }
}

/** Why a question brought nothing, in a sentence. */
function whyNothing(server: ServerLife): string {
  if (server.state.kind !== "running") {
    return shownStatus({ server: server.state, report: undefined, quietMs: 0 }).lines.join(" ");
  }
  return (server.report?.reason && server.report.message) || "There is nothing to suggest here.";
}

/** Asks at the cursor, as soon as there is a server: nobody has to press a key to see what this is. */
async function askWhenReady(server: ServerLife, ghost: GhostText): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (server.client === undefined) {
    await new Promise<void>((resolve) => {
      const listening = server.onDidStart(() => {
        listening.dispose();
        resolve();
      });
    });
  }
  if (vscode.window.activeTextEditor?.document === document) {
    await ghost.askByHand();
  }
}

/** What is looked at tells what belongs to what is written. */
function focused(server: ServerLife, editor: vscode.TextEditor | undefined): void {
  const client = server.client;
  if (client !== undefined && editor !== undefined) {
    const textDocument = { uri: client.code2ProtocolConverter.asUri(editor.document.uri) };
    void client.sendNotification("textDocument/didFocus", { textDocument });
  }
}
