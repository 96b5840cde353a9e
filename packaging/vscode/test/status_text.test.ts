import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type Situation, type StatusReport, hasRealModel, readReport, shownStatus } from "../src/pure/status_text.js";

const READY: StatusReport = { state: "ready", message: "", reason: "", model: "stardraft-tiny", warning: "" };

function at(over: Partial<Situation> = {}): ReturnType<typeof shownStatus> {
  return shownStatus({ server: { kind: "running" }, report: READY, quietMs: 0, ...over });
}

describe("the status bar", () => {
  it("names the model", () => {
    assert.deepEqual(at().lines, ["Ready.", "Model: stardraft-tiny."]);
  });

  it("says why there was no suggestion", () => {
    const report = { ...READY, reason: "in_comment", message: "There are no suggestions in comments." };
    assert.ok(at({ report }).lines.includes("No suggestion the last time: There are no suggestions in comments."));
  });

  it("shows a wrong setting in one line, beside what the state is", () => {
    const shown = at({ report: { ...READY, warning: "config.toml, line 2: editor.mode is wrong." } });
    assert.equal(shown.severity, "warning");
    assert.equal(shown.text, "$(warning) stardraft");
    assert.deepEqual(shown.lines.slice(0, 2), ["config.toml, line 2: editor.mode is wrong.", "Ready."]);
  });

  it("shows an error as one", () => {
    const shown = at({ report: { ...READY, state: "error", message: "The model file is damaged." } });
    assert.equal(shown.severity, "error");
    assert.equal(shown.lines[0], "The model file is damaged.");
  });

  it("puts the server's own trouble before what it said last", () => {
    assert.match(at({ server: { kind: "restarting", waitMs: 1_500 } }).lines[0] ?? "", /again in 2 s/);
    assert.match(at({ server: { kind: "missing" }, quietMs: 1 }).lines[0] ?? "", /not installed/);
  });

  it("says how long suggestions are snoozed, in the server's own words", () => {
    assert.match(at({ quietMs: 61_000 }).lines[0] ?? "", /^Suggestions are snoozed for 2 more minutes\.$/);
    assert.match(at({ quietMs: 900 }).lines[0] ?? "", /^Suggestions are snoozed for 1 more minute\.$/);
    assert.match(at({ quietMs: Number.POSITIVE_INFINITY }).lines[0] ?? "", /until you switch them on/);
  });

  it("says in which scope suggestions are switched off", () => {
    const off = { ...READY, state: "off", reason: "editor_off", message: "Switched off in this editor." } as const;
    assert.match(at({ report: off, offIn: "workspace" }).lines[0] ?? "", /off in this workspace/);
    assert.match(at({ report: off, offIn: "global" }).lines[0] ?? "", /off in your VS Code settings/);
    assert.equal(at({ report: off }).lines[0], off.message);
    const language = { ...off, reason: "language_off", message: "Off for this language." };
    assert.equal(at({ report: language, offIn: "global" }).lines[0], language.message);
  });

  it("has a text for every state of the server", () => {
    const states: StatusReport["state"][] = ["starting", "idle", "loading", "ready", "busy", "off", "error"];
    for (const state of states) {
      const shown = at({ report: { ...READY, state } });
      assert.match(shown.text, /^\$\([a-z~-]+\) stardraft$/);
      assert.ok(shown.lines[0], state);
    }
  });
});

describe("a report from the wire", () => {
  it("tells a real model from the toy", () => {
    assert.equal(hasRealModel({ ...READY, model: "starcoder2-3b" }), true);
    assert.equal(hasRealModel({ ...READY, model: "stardraft-tiny, a toy" }), false);
    assert.equal(hasRealModel({ ...READY, model: "" }), false);
    assert.equal(hasRealModel(undefined), false);
  });

  it("is taken with what it has", () => {
    assert.deepEqual(readReport({ state: "idle", model: 3 }), {
      state: "idle",
      message: "",
      reason: "",
      model: "",
      warning: "",
    });
  });

  it("is none without a state", () => {
    assert.equal(readReport(null), undefined);
    assert.equal(readReport({ message: "x" }), undefined);
  });
});
