/**
 * Where the server is: a list of places, in the order in which they are believed, and a question to each.
 *
 *     1. `stardraft.serverPath`                 named by the user: what it says, or an error
 *     2. `stardraft.interpreter`                likewise
 *     3. `stardraft` on the PATH                activated environments, packages
 *     4. where uv and pipx put programs         the PATH of a desktop session often lacks these
 *     5. the workspace's Python environment     only in a trusted workspace: it may come with a repository
 *     6. the environment that this extension made
 *
 * A place counts when `--version` is answered there. Nothing is started that is not named in this list.
 */

import * as path from "node:path";

import type { Ran } from "./programs.js";
import { type Version, readVersion } from "./version.js";

export interface Place {
  readonly command: string;
  /** What stands before a subcommand. */
  readonly args: readonly string[];
  /** For a user: where that is. */
  readonly origin: string;
  /** A user named it: when it does not answer, that is an error, and no other is taken. */
  readonly isNamed: boolean;
}

export interface Found extends Place {
  readonly version: Version;
}

export interface Surroundings {
  readonly serverPath: string;
  readonly interpreter: string;
  readonly workspaceInterpreter: string;
  readonly managedInterpreter: string;
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** Nothing that answers was found; `named` is the place that a user named, if one did. */
export class NotFoundError extends Error {
  constructor(
    message: string,
    readonly named: Place | undefined,
    /** What was asked or looked for, for the log. */
    readonly tried: readonly string[] = [],
  ) {
    super(message);
  }
}

/** The places to ask, the first first. */
export function places(around: Surroundings): Place[] {
  if (around.serverPath !== "") {
    return [place(expandHome(around.serverPath, around), "stardraft.serverPath", true)];
  }
  if (around.interpreter !== "") {
    return [python(expandHome(around.interpreter, around), "stardraft.interpreter", true)];
  }
  const found = programFolders(around).map((folder) => place(program(folder, around), folder, false));
  if (around.workspaceInterpreter !== "") {
    found.push(python(around.workspaceInterpreter, "the workspace's Python environment", false));
  }
  if (around.managedInterpreter !== "") {
    found.push(python(around.managedInterpreter, "the environment made by this extension", false));
  }
  return found;
}

/** The first place that answers. Throws NotFoundError. */
export async function find(
  around: Surroundings,
  ask: (command: string, args: readonly string[]) => Promise<Ran>,
  exists: (file: string) => boolean,
): Promise<Found> {
  for (const one of places(around)) {
    if (!one.isNamed && !exists(one.command)) {
      continue;
    }
    const ran = await ask(one.command, [...one.args, "--version"]);
    const version = ran.status === 0 ? readVersion(ran.stdout) : undefined;
    if (version !== undefined) {
      return { ...one, version };
    }
    if (one.isNamed) {
      throw new NotFoundError(whyNot(one, ran), one);
    }
  }
  const tried = places(around).map((one) => one.command);
  throw new NotFoundError("The stardraft server was not found on this computer.", undefined, tried);
}

/** The folders that may hold the program: absolute ones only, each once. */
export function programFolders(around: Surroundings): string[] {
  const flavour = around.platform === "win32" ? path.win32 : path.posix;
  const onPath = (around.env.PATH ?? around.env.Path ?? "").split(flavour.delimiter);
  const tools = [
    around.env.UV_TOOL_BIN_DIR,
    around.env.PIPX_BIN_DIR,
    around.env.XDG_BIN_HOME,
    flavour.join(around.home, ".local", "bin"),
    ...(around.platform === "darwin" ? ["/opt/homebrew/bin", "/usr/local/bin"] : []),
  ];
  const folders = [...onPath, ...tools].filter(
    (folder): folder is string => folder !== undefined && flavour.isAbsolute(folder),
  );
  return [...new Set(folders)];
}

function program(folder: string, around: Surroundings): string {
  return around.platform === "win32" ? path.win32.join(folder, "stardraft.exe") : path.posix.join(folder, "stardraft");
}

function place(command: string, origin: string, isNamed: boolean): Place {
  return { command, args: [], origin, isNamed };
}

/** `-P`: the folder in which Python is started is no place to import from; a repository could put modules there. */
function python(command: string, origin: string, isNamed: boolean): Place {
  return { command, args: ["-P", "-m", "stardraftd"], origin, isNamed };
}

function expandHome(file: string, around: Surroundings): string {
  return /^~(?=$|[/\\])/.test(file) ? around.home + file.slice(1) : file;
}

function whyNot(one: Place, ran: Ran): string {
  const what = `${one.command} (${one.origin})`;
  switch (ran.trouble) {
    case "ENOENT":
      return `There is no ${what}.`;
    case "EACCES":
      return `${what} may not be run: it is no program, or not yours to run.`;
    case "ETIMEDOUT":
      return `${what} does not answer.`;
    default:
      if (ran.stderr.includes("No module named stardraftd")) {
        return `stardraft is not installed in the environment of ${what}.`;
      }
      if (/unknown option -P|Unknown option: -P/.test(ran.stderr)) {
        return `${what} is older than Python 3.11, which stardraft needs.`;
      }
      return `${what} is not the stardraft server.`;
  }
}
