/**
 * Making a Python environment with the server in it, by the user's own Python and pip. No editor here.
 *
 * Every attempt has a folder of its own, and becomes the one that counts by a small file that is written last:
 *
 *     <storage>/server/2026-11-21-x7Rk2a/...     an environment
 *     <storage>/server/current.json                {"folder": "2026-11-21-x7Rk2a", "hasEngine": true}
 *
 * So one that failed half-way is never used, and a window that runs an older one is not disturbed.
 */

import * as fs from "node:fs";
import * as path from "node:path";

import type { HowToRun, Ran } from "./programs.js";
import { type Version, compare, readVersion, shown } from "./version.js";

export const OLDEST_PYTHON: Version = [3, 11, 0];

/** What went wrong, in a sentence, and what can be done about it. */
export class InstallError extends Error {
  constructor(
    readonly sentence: string,
    readonly hint: string,
  ) {
    super(`${sentence} ${hint}`);
  }
}

export type Run = (command: string, args: readonly string[], how?: HowToRun) => Promise<Ran>;

export interface Python {
  readonly command: string;
  readonly args: readonly string[];
  readonly version: Version;
}

type Step = "venv" | "pip" | "try" | "engine";

interface Current {
  readonly folder: string;
  readonly hasEngine: boolean;
}

/** The commands that may be a Python, newest first. `preferred`: interpreters that a user chose. */
export function pythonCandidates(platform: NodeJS.Platform, preferred: readonly string[]): (readonly string[])[] {
  const chosen = preferred.filter((one) => one !== "").map((one) => [one]);
  if (platform === "win32") {
    return [...chosen, ["py", "-3"], ["python"], ["python3"]];
  }
  return [...chosen, ["python3"], ...[14, 13, 12, 11].map((minor) => [`python3.${minor}`]), ["python"]];
}

/** The first Python that is new enough. Throws InstallError, which says what there is instead. */
export async function findPython(candidates: readonly (readonly string[])[], run: Run): Promise<Python> {
  let newest: Version | undefined;
  for (const [command, ...args] of candidates) {
    if (command === undefined) {
      continue;
    }
    const ran = await run(command, [...args, "--version"], { timeoutMs: 10_000 });
    const version = ran.status === 0 ? readVersion(ran.stdout || ran.stderr) : undefined;
    if (version !== undefined && compare(version, OLDEST_PYTHON) >= 0) {
      return { command, args, version };
    }
    if (version !== undefined && (newest === undefined || compare(version, newest) > 0)) {
      newest = version;
    }
  }
  throw new InstallError(
    newest === undefined
      ? "There is no Python on this computer."
      : `stardraft needs Python 3.11 or newer, and the newest one here is ${shown(newest)}.`,
    "Install a newer one, or name it in the setting stardraft.interpreter.",
  );
}

/** The interpreter of the environment that was made; "" when none was. */
export function managedInterpreter(root: string, platform: NodeJS.Platform): string {
  const current = readCurrent(root);
  if (current === undefined) {
    return "";
  }
  const interpreter = interpreterIn(path.join(root, current.folder), platform);
  return fs.existsSync(interpreter) ? interpreter : "";
}

/** Whether the environment that was made has llama.cpp in it. */
export function hasManagedEngine(root: string): boolean {
  return readCurrent(root)?.hasEngine ?? false;
}

export interface Wanted {
  readonly root: string;
  readonly wheel: string;
  readonly withEngine: boolean;
  readonly platform: NodeJS.Platform;
  readonly signal: AbortSignal;
  readonly onOutput: (text: string) => void;
  readonly onStep: (sentence: string) => void;
}

/** Makes an environment, and makes it the one that counts. Throws InstallError. Returns its interpreter. */
export async function install(python: Python, wanted: Wanted, run: Run): Promise<string> {
  const folder = newFolder(wanted.root);
  const how: HowToRun = { signal: wanted.signal, onOutput: wanted.onOutput, cwd: wanted.root, env: pipEnvironment() };
  const interpreter = interpreterIn(folder, wanted.platform);
  try {
    wanted.onStep("Making a Python environment");
    check(await run(python.command, [...python.args, "-m", "venv", folder], how), "venv", wanted.signal);
    wanted.onStep("Installing");
    check(await run(interpreter, ["-P", "-m", "pip", "install", "--no-input", wanted.wheel], how), "pip", wanted.signal);
    wanted.onStep("Trying it");
    const tried = await run(interpreter, ["-P", "-m", "stardraftd", "--version"], { ...how, timeoutMs: 60_000 });
    check(tried, "try", wanted.signal);
    if (wanted.withEngine) {
      wanted.onStep("Building llama.cpp for this computer: a few minutes");
      check(await run(interpreter, ["-P", "-m", "stardraftd", "setup", "engine", "--yes"], how), "engine", wanted.signal);
    }
    writeCurrent(wanted.root, { folder: path.basename(folder), hasEngine: wanted.withEngine });
    return interpreter;
  } catch (error) {
    fs.rmSync(folder, { recursive: true, force: true });
    throw error instanceof InstallError ? error : new InstallError(`The environment could not be made: ${String(error)}.`, "");
  }
}

/** Removes every environment that was made. Returns whether there was one. */
export function removeAll(root: string): boolean {
  const existed = fs.existsSync(root);
  fs.rmSync(root, { recursive: true, force: true });
  return existed;
}

/** Removes environments that count no longer and are older than a day: another window may still run a newer one. */
export function tidy(root: string, nowMs: number): void {
  const current = readCurrent(root)?.folder;
  for (const entry of fs.existsSync(root) ? fs.readdirSync(root, { withFileTypes: true }) : []) {
    const folder = path.join(root, entry.name);
    if (entry.isDirectory() && entry.name !== current && nowMs - fs.statSync(folder).mtimeMs > 86_400_000) {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** A folder that nobody else has, another window's included. Throws InstallError. */
function newFolder(root: string): string {
  try {
    fs.mkdirSync(root, { recursive: true });
    return fs.mkdtempSync(path.join(root, `${new Date().toISOString().slice(0, 10)}-`));
  } catch (error) {
    throw new InstallError(`${root} cannot be written to: ${String(error)}.`, "");
  }
}

function check(ran: Ran, what: Step, signal: AbortSignal): void {
  if (signal.aborted) {
    throw new InstallError("The installation was cancelled.", "Nothing was kept.");
  }
  if (ran.status !== 0) {
    throw explain(what, `${ran.stdout}\n${ran.stderr}`);
  }
}

/** stardraft's own words for its last error: a sentence behind its name, and below it, indented, what to do. */
const OWN_WORDS = /^stardraft: (.+)((?:\n {2}.+)*)/m;

/** What a failure means, from what the programs wrote. The first line that fits wins; the likeliest stand first. */
const CAUSES: readonly (readonly [RegExp, string, string])[] = [
  [/No space left on device|ENOSPC/i, "The disk is full.", "Make room, and install again."],
  [
    /ensurepip is not available|No module named (?:venv|ensurepip)/,
    "This Python cannot make environments.",
    "On Debian and Ubuntu install python3-venv; otherwise install Python from its own site, or name another one in stardraft.interpreter.",
  ],
  [
    /name resolution|nodename nor servname|Network is unreachable|Connection refused|Failed to establish a new connection|ConnectTimeoutError|Read timed out|ProxyError|getaddrinfo failed/i,
    "There is no way to the network, and parts of the server have to be fetched.",
    "Connect, or set the proxy, and install again.",
  ],
  [
    /SSL: CERTIFICATE_VERIFY_FAILED|SSLError/,
    "The package index's certificate is not trusted here.",
    "If your network has its own certificate authority, name it in the environment variable PIP_CERT.",
  ],
  [/Permission denied|EACCES/i, "A folder may not be written to.", "The log names it."],
  [
    /No matching distribution found for (\S+)/,
    "A package that the server needs is not to be had for this Python.",
    "Name another Python, 3.11 to 3.14, in stardraft.interpreter.",
  ],
];

export function explain(what: Step, log: string): InstallError {
  const own = what === "engine" ? OWN_WORDS.exec(log) : null;
  if (own !== null) {
    const hint = (own[2] ?? "").split("\n").map((line) => line.trim()).filter((line) => line !== "");
    return new InstallError(own[1] ?? "", [...hint, "Without the engine the rest can be installed."].join(" "));
  }
  for (const [pattern, sentence, hint] of CAUSES) {
    if (pattern.test(log)) {
      return new InstallError(sentence, hint);
    }
  }
  const sentences = {
    venv: "The Python environment could not be made.",
    pip: "pip could not install the server.",
    try: "The server was installed and does not start.",
    engine: "llama.cpp could not be built.",
  };
  return new InstallError(sentences[what], "The log says why.");
}

function interpreterIn(folder: string, platform: NodeJS.Platform): string {
  return platform === "win32" ? path.join(folder, "Scripts", "python.exe") : path.join(folder, "bin", "python");
}

/** pip as it is meant, whatever else is set: no questions, nothing from the editor's own Python. */
function pipEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: "1", PYTHONUTF8: "1" };
  // With SOURCE_DATE_EPOCH llama.cpp's build leaves the processor's vector instructions out, silently.
  for (const name of ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "SOURCE_DATE_EPOCH"]) {
    Reflect.deleteProperty(env, name);
  }
  return env;
}

function readCurrent(root: string): Current | undefined {
  try {
    const found = JSON.parse(fs.readFileSync(path.join(root, "current.json"), "utf8")) as Partial<Current> | null;
    const folder = found?.folder;
    // A name, no path: what is run must be in here.
    if (typeof folder === "string" && folder !== "" && folder !== ".." && path.basename(folder) === folder) {
      return { folder, hasEngine: found?.hasEngine === true };
    }
  } catch {
    // There is none, or half of one: then none counts.
  }
  return undefined;
}

function writeCurrent(root: string, current: Current): void {
  const half = path.join(root, `current.json.${process.pid}`);
  fs.writeFileSync(half, JSON.stringify(current));
  fs.renameSync(half, path.join(root, "current.json"));
}
