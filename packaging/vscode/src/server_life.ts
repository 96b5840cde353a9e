/** The language server's life: found, started, watched, started again when it dies. */

import * as os from "node:os";

import * as vscode from "vscode";
import {
  CloseAction,
  type ConfigurationParams,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  type StaticFeature,
} from "vscode-languageclient/node";

import { answerDeclarations } from "./declarations.js";
import type { GhostText } from "./ghost_text.js";
import type { Locator } from "./locator.js";
import { Backoff } from "./pure/backoff.js";
import { type Found, NotFoundError } from "./pure/finding.js";
import { serverSettings } from "./pure/settings.js";
import { hasRealModel, type ServerState, type StatusReport, readReport } from "./pure/status_text.js";
import { judge, readVersion } from "./pure/version.js";

const SELECTOR = [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }];
// What the server reads besides documents; source files it watches itself.
const WATCHED = "**/{.stardraft.toml,.stardraftignore,.gitignore}";
const START_AGAIN = "Start Again";
const SHOW_LOG = "Show Log";

export class ServerLife implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly started = new vscode.EventEmitter<void>();
  readonly onDidStart = this.started.event;
  private readonly watcher = vscode.workspace.createFileSystemWatcher(WATCHED);
  private readonly backoff = new Backoff();
  private trace: vscode.LogOutputChannel | undefined;
  private current: LanguageClient | undefined;
  private timer: NodeJS.Timeout | undefined;
  private told = "";
  private serverState: ServerState = { kind: "stopped" };
  private lastReport: StatusReport | undefined;
  /** Starting and stopping take turns. */
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly extensionVersion: string,
    private readonly locator: Locator,
    private readonly ghost: GhostText,
    private readonly log: vscode.LogOutputChannel,
  ) {}

  get state(): ServerState {
    return this.serverState;
  }

  get report(): StatusReport | undefined {
    return this.lastReport;
  }

  /** The client of a server that runs. */
  get client(): LanguageClient | undefined {
    return this.serverState.kind === "running" ? this.current : undefined;
  }

  /** Starts the server, or starts it afresh. Never rejects; how it went is in `state`. */
  restart(): Promise<void> {
    this.backoff.reset();
    return this.again();
  }

  async dispose(): Promise<void> {
    await this.stop();
    for (const one of [this.trace, this.watcher, this.changed, this.started]) {
      one?.dispose();
    }
  }

  stop(): Promise<void> {
    return this.inTurn(() => this.close({ kind: "stopped" }));
  }

  /** Settings changed: the server asks for them when it hears of it. */
  async settingsChanged(): Promise<void> {
    this.ghost.forget();
    await this.client?.sendNotification("workspace/didChangeConfiguration", { settings: null });
  }

  private again(): Promise<void> {
    return this.inTurn(async () => {
      await this.close({ kind: "starting" });
      await this.open();
    });
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(work, work).catch((error: unknown) => this.log.error(String(error)));
    return this.turn;
  }

  private async close(state: ServerState): Promise<void> {
    clearTimeout(this.timer);
    const client = this.current;
    this.current = undefined;
    this.ghost.use(undefined);
    this.lastReport = undefined;
    this.become(state);
    if (client !== undefined) {
      // One that does not start or does not answer is no reason to wait: its process is ended.
      await client.dispose(2_000).catch((error: unknown) => this.log.info(String(error)));
    }
  }

  private async open(): Promise<void> {
    let found: Found;
    try {
      found = await this.locator.find();
    } catch (error) {
      this.missing(error);
      return;
    }
    this.log.info(`server ${found.version.join(".")}: ${[found.command, ...found.args].join(" ")} (${found.origin})`);
    const verdict = judge(found.version, readVersion(this.extensionVersion) ?? [0, 0, 0]);
    if (verdict?.kind === "too-old") {
      this.become({ kind: "failed", message: verdict.sentence });
      void this.tellOnce(verdict.sentence, "error", "Install for This Editor...", "stardraft.installServer");
      return;
    }
    if (verdict !== undefined) {
      void this.tellOnce(verdict.sentence, "info");
    }
    const client = this.made(found);
    this.current = client;
    try {
      await client.start();
    } catch (error) {
      this.log.error(`the server did not start: ${String(error)}`);
      this.died(client);
      return;
    }
    if (this.current === client) {
      this.ghost.use(client);
      this.become({ kind: "running" });
      this.started.fire();
    }
  }

  private made(found: Found): LanguageClient {
    this.trace ??= vscode.window.createOutputChannel("stardraft (trace)", { log: true });
    const own = vscode.workspace.getConfiguration("stardraft").get<readonly string[]>("serverArguments", []);
    const options: LanguageClientOptions = {
      documentSelector: SELECTOR,
      outputChannel: this.log,
      traceOutputChannel: this.trace,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationFailedHandler: () => false,
      synchronize: { fileEvents: this.watcher },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.died(client);
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: {
        provideInlineCompletionItems: this.ghost.provide,
        workspace: { configuration: answerConfiguration },
      },
    };
    const server = { command: found.command, args: [...found.args, "lsp", ...own], options: { cwd: os.homedir() } };
    const client = new LanguageClient("stardraft", "stardraft", server, options);
    client.registerFeature(declarationsFeature());
    client.onNotification("stardraft/status", (raw: unknown) => {
      this.lastReport = readReport(raw);
      void vscode.commands.executeCommand("setContext", "stardraft.realModel", hasRealModel(this.lastReport));
      this.changed.fire();
    });
    // Said in Copilot's words to whoever reports what was shown; `stardraft/status` says more.
    client.onNotification("didChangeStatus", () => undefined);
    answerDeclarations(client);
    return client;
  }

  /** The server ended by itself, or did not begin. */
  private died(client: LanguageClient): void {
    if (client !== this.current) {
      return;
    }
    this.ghost.use(undefined);
    this.lastReport = undefined;
    const waitMs = this.backoff.died(Date.now());
    clearTimeout(this.timer);
    if (waitMs === undefined) {
      const message = "The stardraft language server ended several times and is not started again.";
      this.become({ kind: "failed", message });
      void this.offer(message);
      return;
    }
    this.become({ kind: "restarting", waitMs });
    this.timer = setTimeout(() => void this.again(), waitMs);
  }

  private async offer(message: string): Promise<void> {
    const chosen = await vscode.window.showErrorMessage(message, START_AGAIN, SHOW_LOG);
    if (chosen === START_AGAIN) {
      await this.restart();
    } else if (chosen === SHOW_LOG) {
      this.log.show();
    }
  }

  private missing(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.log.warn(message);
    if (error instanceof NotFoundError && error.tried.length > 0) {
      this.log.warn(`looked for: ${error.tried.join(", ")}`);
    }
    if (error instanceof NotFoundError && error.named !== undefined) {
      this.become({ kind: "failed", message });
      void this.tellOnce(message, "error", "Open Settings", "stardraft.openSettings");
    } else {
      this.become({ kind: "missing" });
      void this.tellOnce(message, "info", "Install It...", "stardraft.installServer");
    }
  }

  /** A sentence and a button; the same sentence is said once. */
  private async tellOnce(message: string, kind: "info" | "error", button = "", command = ""): Promise<void> {
    if (this.told === message) {
      return;
    }
    this.told = message;
    const show = kind === "error" ? vscode.window.showErrorMessage : vscode.window.showInformationMessage;
    const chosen = await show(message, ...(button === "" ? [] : [button]));
    if (chosen !== undefined) {
      await vscode.commands.executeCommand(command);
    }
  }

  private become(state: ServerState): void {
    this.serverState = state;
    void vscode.commands.executeCommand("setContext", "stardraft.running", state.kind === "running");
    this.changed.fire();
  }
}

/** The section "stardraft" is answered with what the user has set; the server asks for no other. */
function answerConfiguration(params: ConfigurationParams): unknown[] {
  return params.items.map((item) => {
    if (item.section !== "stardraft") {
      return null;
    }
    const settings = vscode.workspace.getConfiguration("stardraft");
    return serverSettings((key, language) =>
      language === undefined
        ? settings.inspect(key)
        : vscode.workspace.getConfiguration("stardraft", { languageId: language }).inspect(key),
    );
  });
}

/** Tells the server at its start that it may ask for declarations, and that wrong settings are shown in the status. */
function declarationsFeature(): StaticFeature {
  return {
    fillClientCapabilities: (capabilities) => {
      const others = capabilities.experimental as Record<string, unknown> | undefined;
      capabilities.experimental = { ...others, stardraft: { declarations: true, warnings: true } };
    },
    initialize: () => undefined,
    getState: () => ({ kind: "static" }),
    clear: () => undefined,
  };
}
