import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import {
  InstallError,
  type Run,
  explain,
  findPython,
  hasManagedEngine,
  install,
  managedInterpreter,
  pythonCandidates,
  tidy,
} from "../src/pure/installing.js";
import { run } from "../src/pure/programs.js";

let root: string;
beforeEach(() => (root = fs.mkdtempSync(path.join(os.tmpdir(), "stardraft-"))));
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

/** A Python whose every module is this shell script: `$2` of `-m venv FOLDER` makes the next interpreter. */
function fakePython(script: string): string {
  const file = path.join(root, "python3");
  fs.writeFileSync(file, `#!/bin/sh\necho "$@" >> ${root}/calls\n${script}\n`, { mode: 0o755 });
  return file;
}

const MAKES_ITSELF = 'case "$1 $2" in "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python";; esac';

function attempt(python: string, withEngine = true, signal = new AbortController().signal): Promise<string> {
  const nothing = (): void => undefined;
  return install(
    { command: python, args: [], version: [3, 13, 0] },
    {
      root: path.join(root, "server"),
      wheel: "/w/stardraft-0.1.0.whl",
      withEngine,
      platform: "linux",
      signal,
      onOutput: nothing,
      onStep: nothing,
    },
    run,
  );
}

const server = (): string => path.join(root, "server");

describe("installing the server", () => {
  it("makes an environment, installs the wheel, tries it, has the engine built, and has it count", async () => {
    const interpreter = await attempt(fakePython(MAKES_ITSELF));
    assert.equal(managedInterpreter(server(), "linux"), interpreter);
    assert.ok(hasManagedEngine(server()));
    const calls = fs.readFileSync(path.join(root, "calls"), "utf8");
    assert.match(
      calls,
      /pip install --no-input \/w\/stardraft-0\.1\.0\.whl\n-P -m stardraftd --version\n-P -m stardraftd setup engine --yes/,
    );
  });

  it("leaves the engine out when that is wanted", async () => {
    await attempt(fakePython(MAKES_ITSELF), false);
    assert.ok(!hasManagedEngine(server()));
    assert.doesNotMatch(fs.readFileSync(path.join(root, "calls"), "utf8"), /engine/);
  });

  it("keeps nothing of a failure, and the environment that was there", async () => {
    const old = await attempt(fakePython(MAKES_ITSELF));
    const broken = fakePython(`${MAKES_ITSELF}\ncase "$3" in pip) echo "No space left on device" >&2; exit 1;; esac`);
    await assert.rejects(attempt(broken), (error: InstallError) => error.sentence === "The disk is full.");
    assert.equal(managedInterpreter(server(), "linux"), old);
    assert.equal(fs.readdirSync(server()).length, 2, "one environment and the file that names it");
  });

  it("says in stardraft's own words why the engine could not be built, and keeps nothing", async () => {
    const words = "Building\nstardraft: No C++ compiler is here.\n  Debian, Ubuntu: sudo apt install g++";
    const python = fakePython(`${MAKES_ITSELF}\ncase "$4" in setup) printf '${words.replaceAll("\n", "\\n")}' >&2; exit 1;; esac`);
    await assert.rejects(attempt(python), (error: InstallError) => {
      assert.equal(error.sentence, "No C++ compiler is here.");
      assert.match(error.hint, /sudo apt install g\+\+/);
      return true;
    });
    assert.equal(managedInterpreter(server(), "linux"), "");
  });

  it("says that it was cancelled", async () => {
    const stop = new AbortController();
    stop.abort();
    await assert.rejects(attempt(fakePython(MAKES_ITSELF), true, stop.signal), /was cancelled/);
  });

  it("runs nothing outside its folder, whatever the file that names it says", () => {
    fs.mkdirSync(server());
    fs.writeFileSync(path.join(server(), "current.json"), JSON.stringify({ folder: "../../evil" }));
    assert.equal(managedInterpreter(server(), "linux"), "");
  });

  it("removes old environments, and never the one that counts", async () => {
    const interpreter = await attempt(fakePython(MAKES_ITSELF));
    fs.mkdirSync(path.join(server(), "old"));
    tidy(server(), Date.now());
    assert.ok(fs.existsSync(path.join(server(), "old")), "another window may use it today");
    tidy(server(), Date.now() + 2 * 86_400_000);
    assert.ok(!fs.existsSync(path.join(server(), "old")));
    assert.ok(fs.existsSync(interpreter));
  });
});

describe("finding a Python", () => {
  const answering =
    (versions: Readonly<Record<string, string>>): Run =>
    (command) =>
      Promise.resolve({
        status: command in versions ? 0 : undefined,
        stdout: `Python ${versions[command] ?? ""}`,
        stderr: "",
        trouble: "",
      });

  it("takes the user's choice first, then the newest", async () => {
    const run_ = answering({ "/mine": "3.12.1", python3: "3.9.2", "python3.13": "3.13.0", "python3.11": "3.11.4" });
    assert.equal((await findPython(pythonCandidates("linux", ["/mine"]), run_)).command, "/mine");
    assert.equal((await findPython(pythonCandidates("linux", []), run_)).command, "python3.13");
  });

  it("says what there is when all are too old, or none", async () => {
    const old = answering({ python3: "3.9.2", python: "2.7.18" });
    await assert.rejects(findPython(pythonCandidates("linux", []), old), /newest one here is 3\.9\.2/);
    await assert.rejects(findPython(pythonCandidates("win32", []), answering({})), /no Python on this computer/);
  });
});

describe("a failure", () => {
  const cases: readonly [string, RegExp][] = [
    ["The virtual environment was not created successfully because ensurepip is not available.", /python3-venv/],
    ["Temporary failure in name resolution", /network/],
    ["[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", /PIP_CERT/],
    ["something unheard of", /pip could not install/],
  ];
  for (const [log, said] of cases) {
    it(`is explained: ${log.slice(0, 40)}`, () => assert.match(explain("pip", log).message, said));
  }
});
