/**
 * The ghost text: VS Code's questions on one side, the server's growing answers on the other.
 *
 * It stands in the language client's way as a middleware, so registering and unregistering the provider is the
 * client's work. How a suggestion grows is in pure/growth.ts.
 */

import * as vscode from "vscode";
import {
  type InlineCompletionItem,
  type InlineCompletionList,
  InlineCompletionRequest,
  InlineCompletionTriggerKind,
  type LanguageClient,
  type LanguageClientOptions,
  ProgressType,
} from "vscode-languageclient/node";

import { type Editor, Grower, type Growth, type Place, type Sent, type Way, isSamePlace, stepsIn } from "./pure/growth.js";
import { readVersion } from "./pure/version.js";

/** An item as the server sends it; stardraft's are plain text. */
export interface ServerItem extends InlineCompletionItem {
  readonly insertText: string;
}

type ServerItems = InlineCompletionList | InlineCompletionItem[] | null;

/** The plain way: the client asks once, and answers when all has come. */
type Plainly = Parameters<NonNullable<NonNullable<LanguageClientOptions["middleware"]>["provideInlineCompletionItems"]>>[4];

const PIECES = new ProgressType<ServerItems>();
const TOOK = "stardraft.took";
const TRIGGER = "editor.action.inlineSuggest.trigger";
const HIDE = "editor.action.inlineSuggest.hide";
/** Suggestions that may still be accepted. */
const MOST_KNOWN = 32;
const LONGEST_WAIT_MS = 15_000;

export class GhostText implements vscode.Disposable, Editor<ServerItem> {
  readonly steps = stepsIn(readVersion(vscode.version) ?? [1, 0, 0]);
  private readonly grower = new Grower<ServerItem>(this);
  private readonly known = new Map<number, Growth<ServerItem>>();
  private readonly subscriptions: vscode.Disposable[];
  private client: LanguageClient | undefined;
  /** The provider that has the newest look of what grows. */
  private stranger: vscode.Disposable | undefined;
  private lastToken = 0;
  private lastId = 0;
  private isShowing = false;
  /** What the client has answered by itself, where nothing grows. */
  private plain: vscode.InlineCompletionItem | undefined;
  private isGrowing = false;

  constructor(private readonly extensionId: string) {
    this.subscriptions = [
      vscode.window.onDidChangeTextEditorSelection(() => this.moved()),
      vscode.window.onDidChangeActiveTextEditor(() => this.moved()),
      vscode.workspace.onDidChangeTextDocument(() => this.grower.moved()),
      vscode.commands.registerCommand(TOOK, (id: number, index: number) => this.took(id, index)),
    ];
  }

  /** The client that is asked from now on; undefined while there is none. */
  use(client: LanguageClient | undefined): void {
    this.client = client;
    this.forget();
  }

  /** What was asked for is not wanted any more: settings changed, or a user hid it. */
  forget(): void {
    this.grower.forget();
    this.plain = undefined;
    this.setShowing(false);
  }

  /** The user has sent away what is shown: the server counts that. */
  dismiss(): void {
    const item = this.item ?? this.plain;
    if (this.isShowing && item?.command !== undefined) {
      void this.client?.sendNotification("stardraft/didDismiss", { item });
    }
    this.forget();
  }

  /** How many suggestions there are to choose from; undefined where that is not known. */
  get nCandidates(): number | undefined {
    return this.grower.current?.isDone === true ? this.grower.current.items.length : undefined;
  }

  /** Whether what was asked for last has ended with nothing to show. */
  get hasNothing(): boolean {
    const growth = this.grower.current;
    return growth === undefined ? !this.isShowing : growth.isDone && growth.items.length === 0;
  }

  /** The item that the user sees, if it is one of ours. */
  get item(): ServerItem | undefined {
    const growth = this.grower.current;
    return growth !== undefined && growth.delivered >= 0 ? growth.items[0] : undefined;
  }

  /** The language client's middleware. */
  readonly provide = async (
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
    next: Plainly,
  ): Promise<vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined> => {
    if (this.client === undefined || !isStreaming(document)) {
      const plain = await next(document, position, context, token);
      const [first] = Array.isArray(plain) ? plain : (plain?.items ?? []);
      this.plain = first;
      this.setShowing(first !== undefined);
      return plain;
    }
    return this.answer(this.client, document, position, context, token);
  };

  private async answer(
    client: LanguageClient,
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[] | undefined> {
    const asked = this.grower.provide(
      placeOf(client, document, position, context),
      context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke,
      () => token.isCancellationRequested,
    );
    const waited = this.grower.current;
    const listening = token.onCancellationRequested(() => this.grower.cancelled(waited));
    try {
      const growth = await asked;
      return growth === undefined ? undefined : this.given(growth);
    } finally {
      listening.dispose();
    }
  }

  /**
   * Asks by hand, also where the machine has asked before. Settles when all has come.
   */
  async askByHand(): Promise<void> {
    await this.retrigger("plain");
    if (!this.wasAskedByHand) {
      await this.retrigger("forced"); // VS Code takes what it has for an answer
    }
    const growth = this.grower.current;
    if (growth?.sent !== undefined) {
      const waited = new Promise((resolve) => setTimeout(resolve, LONGEST_WAIT_MS));
      await Promise.race([growth.sent.answer, waited]).catch(() => undefined);
    }
  }

  /** Whether the user asked for what is shown, so that other candidates have come with it. */
  get wasAskedByHand(): boolean {
    const growth = this.grower.current;
    return growth === undefined || growth.invoked;
  }

  // --- what growth needs of an editor ---------------------------------------------------------------------

  send(place: Place, invoked: boolean, onPiece: (items: readonly ServerItem[]) => void): Sent<ServerItem> {
    const client = this.client;
    if (client === undefined) {
      return { answer: Promise.resolve(null), cancel: () => undefined };
    }
    const token = `stardraft-${++this.lastToken}`;
    const cancelling = new vscode.CancellationTokenSource();
    const listening = client.onProgress(PIECES, token, (items) => onPiece(itemsOf(items)));
    const selected = place.selected === "" ? {} : { selectedCompletionInfo: JSON.parse(place.selected) as never };
    const params = {
      textDocument: { uri: place.uri },
      position: { line: place.line, character: place.character },
      context: {
        triggerKind: invoked ? InlineCompletionTriggerKind.Invoked : InlineCompletionTriggerKind.Automatic,
        ...selected,
      },
      partialResultToken: token,
    };
    const answer = client
      .sendRequest(InlineCompletionRequest.type, params, cancelling.token)
      .then((items) => (items === null ? null : itemsOf(items)))
      .finally(() => {
        listening.dispose();
        cancelling.dispose();
      });
    return { answer, cancel: () => cancelling.cancel() };
  }

  isCurrent(place: Place): boolean {
    const editor = vscode.window.activeTextEditor;
    const cursor = editor?.selection;
    return (
      editor !== undefined &&
      cursor !== undefined &&
      cursor.isEmpty &&
      this.uriOf(editor.document) === place.uri &&
      editor.document.version === place.version &&
      cursor.active.line === place.line &&
      cursor.active.character === place.character
    );
  }

  isSameText(place: Place): boolean {
    return vscode.workspace.textDocuments.some(
      (document) => this.uriOf(document) === place.uri && document.version === place.version,
    );
  }

  async retrigger(way: Way): Promise<void> {
    if (way === "forced") {
      await vscode.commands.executeCommand("runCommands", { commands: [HIDE, TRIGGER] });
    } else if (way === "renewed") {
      await this.asStranger();
    } else {
      await vscode.commands.executeCommand(TRIGGER);
    }
  }

  later(ms: number, work: () => void): () => void {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  }

  nowMs(): number {
    return performance.now();
  }

  onGrowing(isGrowing: boolean): void {
    if (isGrowing !== this.isGrowing) {
      this.isGrowing = isGrowing;
      void vscode.commands.executeCommand("setContext", "stardraft.growing", isGrowing);
    }
  }

  dispose(): void {
    this.forget();
    this.stranger?.dispose();
    for (const one of this.subscriptions) {
      one.dispose();
    }
  }

  // --- inside ---------------------------------------------------------------------------------------------

  private uriOf(document: vscode.TextDocument): string {
    return this.client?.code2ProtocolConverter.asUri(document.uri) ?? document.uri.toString();
  }

  private moved(): void {
    const place = this.grower.current?.place;
    this.grower.moved();
    if (place !== undefined && this.grower.current === undefined && this.isSameText(place)) {
      this.setShowing(false);
    }
  }

  /** Answers as a provider that VS Code does not know yet, and is told to ask: no other extension's is asked with it. */
  private async asStranger(): Promise<void> {
    const client = this.client;
    const growth = this.grower.current;
    this.stranger?.dispose();
    if (client === undefined || growth === undefined) {
      return;
    }
    this.stranger = vscode.languages.registerInlineCompletionItemProvider(
      { pattern: "**" },
      {
        // Elsewhere, and when a user asks, the client's own provider answers: once is enough.
        provideInlineCompletionItems: (document, position, context, token) =>
          context.triggerKind === vscode.InlineCompletionTriggerKind.Automatic &&
          growth === this.grower.current &&
          isSamePlace(growth.place, placeOf(client, document, position, context))
            ? this.answer(client, document, position, context, token)
            : undefined,
      },
    );
    await vscode.commands.executeCommand(TRIGGER, { explicit: false, providerId: `${this.extensionId}:*` });
  }

  private setShowing(isShowing: boolean): void {
    if (isShowing !== this.isShowing) {
      this.isShowing = isShowing;
      void vscode.commands.executeCommand("setContext", "stardraft.showing", isShowing);
    }
  }

  /** A growth's items for VS Code. Each tells which it is when it is accepted; the server's word may come later. */
  private given(growth: Growth<ServerItem>): vscode.InlineCompletionItem[] {
    const id = this.idOf(growth);
    this.setShowing(growth.items.length > 0);
    if (growth.isDone && growth.items[0] !== undefined) {
      void this.client?.sendNotification("textDocument/didShowCompletion", { item: growth.items[0] });
    }
    return growth.items.map((item, index) => {
      const range = item.range === undefined ? undefined : rangeOf(item.range);
      const command = { title: "stardraft", command: TOOK, arguments: [id, index] };
      return new vscode.InlineCompletionItem(item.insertText, range, command);
    });
  }

  private idOf(growth: Growth<ServerItem>): number {
    for (const [id, known] of this.known) {
      if (known === growth) {
        return id;
      }
    }
    this.known.set(++this.lastId, growth);
    for (const id of this.known.keys()) {
      if (this.known.size > MOST_KNOWN) {
        this.known.delete(id);
      }
    }
    return this.lastId;
  }

  /** A user accepted an item. */
  private async took(id: number, index: number): Promise<void> {
    const growth = this.known.get(id);
    const command = (growth?.items[index] ?? growth?.items[0])?.command;
    if (command !== undefined) {
      await this.client?.sendRequest("workspace/executeCommand", {
        command: command.command,
        arguments: command.arguments,
      });
    }
  }
}

function isStreaming(document: vscode.TextDocument): boolean {
  return vscode.workspace.getConfiguration("stardraft", document).get<boolean>("streaming", true);
}

function placeOf(
  client: LanguageClient,
  document: vscode.TextDocument,
  position: vscode.Position,
  context: vscode.InlineCompletionContext,
): Place {
  const selected = context.selectedCompletionInfo;
  return {
    uri: client.code2ProtocolConverter.asUri(document.uri),
    version: document.version,
    line: position.line,
    character: position.character,
    selected:
      selected === undefined
        ? ""
        : JSON.stringify({ range: client.code2ProtocolConverter.asRange(selected.range), text: selected.text }),
  };
}

function itemsOf(items: ServerItems): readonly ServerItem[] {
  const list = items === null ? [] : Array.isArray(items) ? items : items.items;
  return list.filter((item): item is ServerItem => typeof item.insertText === "string");
}

function rangeOf(range: NonNullable<InlineCompletionItem["range"]>): vscode.Range {
  return new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
}
