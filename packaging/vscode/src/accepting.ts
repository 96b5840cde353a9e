/** Accepting, cycling and asking by hand: VS Code's own commands under names that can be given keys. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import type { GhostText } from "./ghost_text.js";

const EDITOR = "editor.action.inlineSuggest";

/** whyNothing: why a question brought nothing, in a sentence. */
export function acceptingCommands(
  ghost: GhostText,
  client: () => LanguageClient | undefined,
  whyNothing: () => string,
): vscode.Disposable[] {
  const command = (name: string, work: () => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(`stardraft.${name}`, work);
  const editor = (name: string): Thenable<unknown> => vscode.commands.executeCommand(`${EDITOR}.${name}`);
  const other = async (name: string): Promise<void> => {
    if (!ghost.wasAskedByHand) {
      await ghost.askByHand(); // while typing only one is made
    }
    if (ghost.nCandidates === 1) {
      say("This is the only suggestion; the setting stardraft.candidates says how many are made.");
    }
    await editor(name);
  };
  return [
    command("trigger", async () => {
      const before = whereNow();
      await ghost.askByHand();
      if (ghost.hasNothing && whereNow() === before) {
        say(`No suggestion: ${whyNothing()}`);
      }
    }),
    command("accept", () => editor("commit")),
    command("acceptWord", () => acceptPart(ghost, client(), () => editor("acceptNextWord"))),
    command("acceptLine", () => acceptPart(ghost, client(), () => editor("acceptNextLine"))),
    command("next", () => other("showNext")),
    command("previous", () => other("showPrevious")),
    command("hide", () => {
      ghost.dismiss();
      return editor("hide");
    }),
  ];
}

/** For a while, in the status bar: what answers a key that was pressed must not have to be closed. */
export function say(sentence: string): void {
  vscode.window.setStatusBarMessage(`stardraft: ${sentence}`, 8_000);
}

/** The cursor's place in its text: equal ones, nothing has happened. */
function whereNow(): string {
  const editor = vscode.window.activeTextEditor;
  const at = editor?.selection.active;
  return `${editor?.document.uri.toString()} ${editor?.document.version} ${at?.line} ${at?.character}`;
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
