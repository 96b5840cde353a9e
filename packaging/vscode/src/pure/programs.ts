/** Running a program to its end, without a shell, with a limit: its output is what is wanted. */

import { spawn } from "node:child_process";

export interface Ran {
  /** The exit status; undefined when it could not be started, or was ended. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Why there is no status, in the system's word, such as ENOENT. */
  readonly trouble: string;
}

export interface HowToRun {
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Gets the output piece by piece, both kinds. */
  readonly onOutput?: (text: string) => void;
}

/** The most of each kind of output that is kept: its end. */
const MOST_CHARS = 200_000;

/** Never rejects: what went wrong is in the result. */
export function run(command: string, args: readonly string[], how: HowToRun = {}): Promise<Ran> {
  return new Promise((resolve) => {
    let stdout = "";
    let stderr = "";
    let trouble = "";
    const child = spawn(command, args, {
      cwd: how.cwd,
      env: how.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
    });
    const end = (word: string): void => {
      trouble = word;
      child.kill();
    };
    const onAbort = (): void => end("ABORTED");
    const timer = how.timeoutMs === undefined ? undefined : setTimeout(() => end("ETIMEDOUT"), how.timeoutMs);
    how.signal?.addEventListener("abort", onAbort, { once: true });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(-MOST_CHARS);
      how.onOutput?.(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-MOST_CHARS);
      how.onOutput?.(text);
    });
    const finish = (status: number | undefined): void => {
      clearTimeout(timer);
      how.signal?.removeEventListener("abort", onAbort);
      resolve({ status: trouble === "" ? status : undefined, stdout, stderr, trouble });
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      trouble ||= error.code ?? error.message;
      finish(undefined);
    });
    child.on("close", (status) => finish(status ?? undefined));
    if (how.signal?.aborted) {
      onAbort();
    }
  });
}
