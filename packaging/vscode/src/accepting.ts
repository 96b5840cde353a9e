/** Accepting, cycling and asking by hand: VS Code's own commands under names that can be given keys. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import type { GhostText } from "./ghost_text.js";

const EDITOR = "editor.action.inlineSuggest";

export function acceptingCommands(ghost: GhostText, client: () => LanguageClient | undefined): vscode.Disposable[] {
  const command = (name: string, work: () => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(`stardraft.${name}`, work);
  const editor = (name: string): Thenable<unknown> => vscode.commands.executeCommand(`${EDITOR}.${name}`);
  const other = async (name: string): Promise<void> => {
    if (!ghost.wasAskedByHand) {
      await ghost.askByHand(); // while typing only one is made
    }
    await editor(name);
  };
  return [
    command("trigger", () => ghost.askByHand()),
    command("accept", () => editor("commit")),
    command("acceptWord", () => acceptPart(ghost, client(), () => editor("acceptNextWord"))),
    command("acceptLine", () => acceptPart(ghost, client(), () => editor("acceptNextLine"))),
    command("next", () => other("showNext")),
    command("previous", () => other("showPrevious")),
    command("hide", () => {
      ghost.forget();
      return editor("hide");
    }),
  ];
}

/**
 * Accepts a part, and tells the server how much: VS Code itself tells nobody.
 *
 * That has to be said with the edit itself, before VS Code asks for what comes after it.
 */
async function acceptPart(
  ghost: GhostText,
  client: LanguageClient | undefined,
  accept: () => Thenable<unknown>,
): Promise<void> {
  const item = ghost.item;
  const document = vscode.window.activeTextEditor?.document;
  const listening = vscode.workspace.onDidChangeTextDocument((event) => {
    const accepted = event.contentChanges[0]?.text;
    if (event.document !== document || item === undefined || !accepted) {
      return;
    }
    listening.dispose();
    if (item.insertText.startsWith(accepted)) {
      const params = { item, acceptedLength: accepted.length };
      void client?.sendNotification("textDocument/didPartiallyAcceptCompletion", params);
    }
  });
  try {
    await accept();
  } finally {
    listening.dispose();
  }
}
