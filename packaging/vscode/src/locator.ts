/** Where the server is, as this editor knows: its settings, the Python extension, its own storage. */

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import * as vscode from "vscode";

import { type Found, find } from "./pure/finding.js";
import { managedInterpreter } from "./pure/installing.js";
import { run } from "./pure/programs.js";

/** A program that is asked for its version and takes longer is not waited for. Cold disks are slow. */
const LONGEST_ANSWER_MS = 20_000;

/** What is used of the Python extension's interface. */
interface PythonExtension {
  readonly environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(
      environment: { readonly path: string },
    ): Promise<{ readonly executable: { readonly uri: vscode.Uri | undefined } } | undefined>;
  };
}

export class Locator {
  constructor(private readonly storage: vscode.Uri) {}

  /** The folder of the environments that this extension makes. */
  get managedRoot(): string {
    return path.join(this.storage.fsPath, "server");
  }

  /** Throws NotFoundError. */
  async find(): Promise<Found> {
    const settings = vscode.workspace.getConfiguration("stardraft");
    return find(
      {
        serverPath: settings.get("serverPath", "").trim(),
        interpreter: settings.get("interpreter", "").trim(),
        workspaceInterpreter: await workspaceInterpreter(),
        managedInterpreter: managedInterpreter(this.managedRoot, process.platform),
        platform: process.platform,
        env: process.env,
        home: os.homedir(),
      },
      (command, args) => run(command, args, { timeoutMs: LONGEST_ANSWER_MS, cwd: os.homedir() }),
      fs.existsSync,
    );
  }

  /** Interpreters that a user has chosen, for making an environment with. */
  async chosenInterpreters(): Promise<readonly string[]> {
    const own = vscode.workspace.getConfiguration("stardraft").get("interpreter", "").trim();
    return [own, await workspaceInterpreter()].filter((one) => one !== "");
  }
}

/** The interpreter that the Python extension has for this workspace; "" when there is none, or no trust in it. */
async function workspaceInterpreter(): Promise<string> {
  const python = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  if (python === undefined || !vscode.workspace.isTrusted) {
    return "";
  }
  try {
    const { environments } = await python.activate();
    const active = environments?.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri);
    const resolved = active === undefined ? undefined : await environments?.resolveEnvironment(active);
    return resolved?.executable.uri?.fsPath ?? "";
  } catch {
    return ""; // that extension's trouble; there are other places
  }
}
