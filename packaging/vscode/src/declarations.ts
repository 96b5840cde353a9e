/** `stardraft/declarations`: where names are declared, as the editor's other language servers say. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

/** The most positions of one question, and how long all of them may take together. */
const MOST_POSITIONS = 64;
const LONGEST_MS = 1_000;

interface Params {
  readonly textDocument: { readonly uri: string };
  readonly positions: readonly { readonly line: number; readonly character: number }[];
}

type Answer = { uri: string; range: unknown } | null;

/** stardraft itself offers no definitions, so it is never asked. */
export function answerDeclarations(client: LanguageClient): vscode.Disposable {
  return client.onRequest("stardraft/declarations", async (params: Params): Promise<Answer[]> => {
    const uri = client.protocol2CodeConverter.asUri(params.textDocument.uri);
    const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), LONGEST_MS));
    return Promise.all(
      params.positions.map(async ({ line, character }, index) =>
        index < MOST_POSITIONS
          ? Promise.race([declarationAt(client, uri, new vscode.Position(line, character)), late])
          : null,
      ),
    );
  });
}

async function declarationAt(client: LanguageClient, uri: vscode.Uri, at: vscode.Position): Promise<Answer> {
  try {
    const found = await vscode.commands.executeCommand<(vscode.Location | vscode.LocationLink)[] | undefined>(
      "vscode.executeDefinitionProvider",
      uri,
      at,
    );
    const first = found?.[0];
    if (first === undefined) {
      return null;
    }
    const [target, range] = "targetUri" in first ? [first.targetUri, first.targetRange] : [first.uri, first.range];
    return {
      uri: client.code2ProtocolConverter.asUri(target),
      range: client.code2ProtocolConverter.asRange(range),
    };
  } catch {
    return null; // another extension's trouble is not a reason for none of the others
  }
}
