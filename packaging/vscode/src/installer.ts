/** Installing the server for this editor: asks first, shows what happens, says in a sentence why it did not. */

import * as fs from "node:fs";
import * as path from "node:path";

import * as vscode from "vscode";

import type { Locator } from "./locator.js";
import { InstallError, findPython, install, pythonCandidates, removeAll, tidy } from "./pure/installing.js";
import { run } from "./pure/programs.js";

const WITH_ENGINE = "Install";
const WITHOUT_ENGINE = "Install Without the Engine";
const SHOW_LOG = "Show Log";

export class Installer {
  private isAtWork = false;

  constructor(
    private readonly extension: vscode.Uri,
    private readonly locator: Locator,
    private readonly log: vscode.LogOutputChannel,
    private readonly restart: () => Promise<void>,
  ) {}

  /** Old environments that nobody uses go away. */
  tidy(): void {
    try {
      tidy(this.locator.managedRoot, Date.now());
    } catch (error) {
      this.log.warn(`old environments stay: ${String(error)}`);
    }
  }

  get hasManaged(): boolean {
    return fs.existsSync(this.locator.managedRoot);
  }

  async install(): Promise<void> {
    if (this.isAtWork) {
      this.log.show();
      return;
    }
    this.isAtWork = true;
    try {
      await this.ask();
    } catch (error) {
      const message = error instanceof InstallError ? `${error.sentence} ${error.hint}`.trim() : String(error);
      this.log.error(message);
      if ((await vscode.window.showErrorMessage(message, SHOW_LOG)) === SHOW_LOG) {
        this.log.show();
      }
    } finally {
      this.isAtWork = false;
    }
  }

  async remove(): Promise<void> {
    const detail = `${this.locator.managedRoot} is deleted. Models, settings and figures stay.`;
    const question = "Remove the stardraft server that was installed for this editor?";
    if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, "Remove")) === "Remove") {
      removeAll(this.locator.managedRoot);
      await this.restart();
    }
  }

  private async ask(): Promise<void> {
    const wheel = this.bundledWheel() ?? (await this.chosenWheel());
    if (wheel === undefined) {
      return;
    }
    const answer = await vscode.window.showInformationMessage(
      "Install the stardraft server for this editor?",
      {
        modal: true,
        detail:
          "A Python environment is made in this editor's storage. The packages that the server needs come from " +
          "your package index, over the network. The engine, llama.cpp, is built on this computer: that takes a " +
          "C++ compiler and a few minutes. Without the engine there are suggestions only if a stardraft " +
          "daemon from elsewhere runs.",
      },
      WITH_ENGINE,
      WITHOUT_ENGINE,
    );
    if (answer === undefined) {
      return;
    }
    await this.atWork(wheel, answer === WITH_ENGINE);
    vscode.window.setStatusBarMessage("stardraft: the server is installed", 10_000);
    await this.restart();
  }

  private async atWork(wheel: string, withEngine: boolean): Promise<void> {
    const options = { location: vscode.ProgressLocation.Notification, title: "stardraft", cancellable: true };
    await vscode.window.withProgress(options, async (progress, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => stop.abort());
      const candidates = pythonCandidates(process.platform, await this.locator.chosenInterpreters());
      const python = await findPython(candidates, run);
      this.log.info(`installing ${wheel} with ${[python.command, ...python.args].join(" ")}`);
      await install(
        python,
        {
          root: this.locator.managedRoot,
          wheel,
          withEngine,
          platform: process.platform,
          signal: stop.signal,
          onOutput: (text) => this.log.append(text),
          onStep: (message) => {
            this.log.info(message);
            progress.report({ message });
          },
        },
        run,
      );
    });
  }

  /** The wheel that came with this extension. */
  private bundledWheel(): string | undefined {
    const folder = path.join(this.extension.fsPath, "bundled");
    const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
    const name = names.find((one) => one.startsWith("stardraft-") && one.endsWith(".whl"));
    return name === undefined ? undefined : path.join(folder, name);
  }

  /** An extension without a wheel takes a file; it fetches no package by a name that anyone could have taken. */
  private async chosenWheel(): Promise<string | undefined> {
    const how = "How to Install";
    const again = "Look Again";
    const choose = "Choose a Wheel...";
    const answer = await vscode.window.showInformationMessage(
      "This build of the extension has no server in it. In the folder of stardraft's source, type " +
        "`uv tool install .` (or `pipx install .`), then `stardraft setup engine`. Look again then: it is found. " +
        "Or choose the wheel that `make build` has made.",
      how,
      again,
      choose,
    );
    if (answer === how) {
      const page = vscode.Uri.joinPath(this.extension, "media", "walkthrough", "install.md");
      await vscode.commands.executeCommand("markdown.showPreview", page);
    } else if (answer === again) {
      await this.restart();
    }
    if (answer !== choose) {
      return undefined;
    }
    const files = await vscode.window.showOpenDialog({ filters: { "Python wheel": ["whl"] } });
    return files?.[0]?.fsPath;
  }
}
