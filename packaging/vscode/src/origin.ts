/** Opens the line of the user's own code that a suggestion was taken from. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { say } from "./accepting.js";
import { readOrigin } from "./pure/origin.js";

/** whyNothing: why no server can be asked, in a sentence. */
export async function showOrigin(client: LanguageClient | undefined, whyNothing: () => string): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (client === undefined || document === undefined) {
    say(client === undefined ? whyNothing() : "There is no suggestion.");
    return;
  }
  const textDocument = { uri: client.code2ProtocolConverter.asUri(document.uri) };
  const origin = readOrigin(await client.sendRequest("stardraft/origin", { textDocument }));
  if (typeof origin === "string") {
    say(origin);
    return;
  }
  const start = new vscode.Position(origin.line, 0);
  try {
    await vscode.window.showTextDocument(client.protocol2CodeConverter.asUri(origin.uri), {
      selection: new vscode.Range(start, start),
      viewColumn: vscode.ViewColumn.Beside,
    });
  } catch (error) {
    say(error instanceof Error ? error.message : String(error)); // the file is not there any more
  }
}
