import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { NotFoundError, type Surroundings, find, places, programFolders } from "../src/pure/finding.js";
import type { Ran } from "../src/pure/programs.js";

const NOWHERE: Surroundings = {
  serverPath: "",
  interpreter: "",
  workspaceInterpreter: "",
  managedInterpreter: "",
  platform: "linux",
  env: { PATH: "/usr/bin:relative:/opt/bin:/usr/bin" },
  home: "/home/ada",
};

function ran(over: Partial<Ran> = {}): Ran {
  return { status: 0, stdout: "", stderr: "", trouble: "", ...over };
}

/** Asks programs that there are: command to answer. */
function asking(programs: Readonly<Record<string, Ran>>): [(command: string) => Promise<Ran>, (file: string) => boolean] {
  return [
    (command) => Promise.resolve(programs[command] ?? ran({ status: undefined as never, trouble: "ENOENT" })),
    (file) => file in programs,
  ];
}

const RIGHT = ran({ stdout: "stardraft 0.3.1\n" });

describe("finding the server", () => {
  it("takes the program of the PATH before those of tools, and the extension's own last", async () => {
    const around = { ...NOWHERE, managedInterpreter: "/own/bin/python" };
    const programs = {
      "/opt/bin/stardraft": RIGHT,
      "/home/ada/.local/bin/stardraft": RIGHT,
      "/own/bin/python": RIGHT,
    };
    assert.equal((await find(around, ...asking(programs))).command, "/opt/bin/stardraft");
    const others = Object.entries(programs).filter(([file]) => file !== "/opt/bin/stardraft");
    assert.equal((await find(around, ...asking(Object.fromEntries(others)))).command, "/home/ada/.local/bin/stardraft");
    const found = await find(around, ...asking({ "/own/bin/python": RIGHT }));
    assert.deepEqual([found.command, ...found.args], ["/own/bin/python", "-P", "-m", "stardraftd"]);
    assert.deepEqual(found.version, [0, 3, 1]);
  });

  it("passes over what has the name and is not it", async () => {
    const programs = { "/usr/bin/stardraft": ran({ stdout: "no version here" }), "/opt/bin/stardraft": RIGHT };
    assert.equal((await find(NOWHERE, ...asking(programs))).command, "/opt/bin/stardraft");
  });

  it("takes nothing else when a user named a place that does not answer", async () => {
    const around = { ...NOWHERE, serverPath: "~/bin/stardraft" };
    const programs = { "/usr/bin/stardraft": RIGHT };
    await assert.rejects(find(around, ...asking(programs)), (error: NotFoundError) => {
      assert.equal(error.message, "There is no /home/ada/bin/stardraft (stardraft.serverPath).");
      return error.named?.command === "/home/ada/bin/stardraft";
    });
  });

  it("says what is wrong with an interpreter", async () => {
    const around = { ...NOWHERE, interpreter: "/py/bin/python" };
    const bare = ran({ status: 1, stderr: "/py/bin/python: No module named stardraftd" });
    await assert.rejects(find(around, ...asking({ "/py/bin/python": bare })), {
      message: "stardraft is not installed in the environment of /py/bin/python (stardraft.interpreter).",
    });
    const old = ran({ status: 2, stderr: "unknown option -P\nusage: python" });
    await assert.rejects(find(around, ...asking({ "/py/bin/python": old })), /older than Python 3\.11/);
  });

  it("says so when there is none", async () => {
    await assert.rejects(find(NOWHERE, ...asking({})), (error: NotFoundError) => {
      assert.ok(error.tried.includes("/home/ada/.local/bin/stardraft"), "the log tells where it was looked for");
      return error.named === undefined;
    });
  });

  it("never looks into the current folder", () => {
    assert.ok(!programFolders(NOWHERE).includes("relative"));
    const folders = programFolders({ ...NOWHERE, platform: "win32", env: { Path: String.raw`C:\tools;.;bin` } });
    assert.equal(folders[0], String.raw`C:\tools`);
    assert.ok(!folders.includes(".") && !folders.includes("bin"));
  });

  it("looks where uv and pipx were told to put programs, each folder once", () => {
    const env = { PATH: "/usr/bin:/home/ada/.local/bin", UV_TOOL_BIN_DIR: "/uv", PIPX_BIN_DIR: "/pipx" };
    assert.deepEqual(programFolders({ ...NOWHERE, env }), ["/usr/bin", "/home/ada/.local/bin", "/uv", "/pipx"]);
  });

  it("runs an interpreter without the folder it is started in", () => {
    const [place] = places({ ...NOWHERE, interpreter: "/py/bin/python" });
    assert.ok(place?.args.includes("-P"));
  });
});
