import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Backoff, LONGEST_WAIT_MS, MOST_DEATHS, WITHIN_MS } from "../src/pure/backoff.js";
import { configurationFile } from "../src/pure/configuration_file.js";
import { run } from "../src/pure/programs.js";
import { commandLine } from "../src/pure/shell.js";

describe("a server that dies", () => {
  it("is started again later and later, and then not at all", () => {
    const backoff = new Backoff();
    const waits = Array.from({ length: MOST_DEATHS }, (_, n) => backoff.died(n * 1_000));
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, undefined]);
    assert.ok(waits.every((wait) => wait === undefined || wait <= LONGEST_WAIT_MS));
  });

  it("begins anew after a quiet time, or when a user starts it", () => {
    const backoff = new Backoff();
    backoff.died(0);
    assert.equal(backoff.died(WITHIN_MS), 1_000);
    backoff.died(WITHIN_MS + 1);
    backoff.reset();
    assert.equal(backoff.died(WITHIN_MS + 2), 1_000);
  });
});

describe("a command line", () => {
  it("is plain where it can be", () => {
    assert.equal(commandLine("/bin/bash", ["/usr/bin/stardraft", "model", "plan"]), "/usr/bin/stardraft model plan");
  });

  it("keeps odd paths whole in every shell", () => {
    assert.equal(commandLine("/usr/bin/zsh", ["/it's here/x", "a"]), String.raw`'/it'\''s here/x' a`);
    assert.equal(commandLine("/bin/bash", [String.raw`a\b`]), String.raw`'a\b'`);
    const program = String.raw`C:\Program Files\x.exe`;
    assert.equal(commandLine(String.raw`C:\pwsh.exe`, [program, "a"]), `& '${program}' a`);
    assert.equal(commandLine("cmd.exe", [program, "a"]), `"${program}" a`);
  });
});

describe("the configuration file", () => {
  it("is where the server has it", () => {
    const home = "/home/ada";
    assert.equal(configurationFile("linux", {}, home), "/home/ada/.config/stardraft/config.toml");
    assert.equal(configurationFile("linux", { XDG_CONFIG_HOME: "/x" }, home), "/x/stardraft/config.toml");
    assert.equal(configurationFile("linux", { STARDRAFT_CONFIG: "/my.toml" }, home), "/my.toml");
    const mac = "/home/ada/Library/Application Support/stardraft/config.toml";
    assert.equal(configurationFile("darwin", {}, home), mac);
    const windows = configurationFile("win32", { LOCALAPPDATA: String.raw`C:\l` }, home);
    assert.equal(windows, String.raw`C:\l\stardraft\config.toml`);
  });
});

describe("a program", () => {
  it("is run to its end, and its output is had", async () => {
    const ran = await run(process.execPath, ["-e", "console.log('out'); console.error('err'); process.exit(3)"]);
    assert.deepEqual(ran, { status: 3, stdout: "out\n", stderr: "err\n", trouble: "" });
  });

  it("that is not there is no exception", async () => {
    assert.equal((await run("/nowhere/stardraft", [])).trouble, "ENOENT");
  });

  it("that does not end is ended", async () => {
    const ran = await run(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { timeoutMs: 50 });
    assert.equal(ran.trouble, "ETIMEDOUT");
  });

  it("is ended when it is not wanted any more", async () => {
    const stop = new AbortController();
    const going = run(process.execPath, ["-e", "console.log('on'); setInterval(() => {}, 1000)"], {
      signal: stop.signal,
      onOutput: () => stop.abort(),
    });
    assert.equal((await going).trouble, "ABORTED");
  });
});
