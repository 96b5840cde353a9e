import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { readOrigin } from "../src/pure/origin.js";

describe("where a suggestion comes from", () => {
  it("is a line of the user's own code", () => {
    const raw = { source: "echo", uri: "file:///shop/shelf.py", line: 4, text: "    return self.items[item]" };
    assert.deepEqual(readOrigin(raw), { uri: "file:///shop/shelf.py", line: 4 });
  });

  it("is the model, which has no place", () => {
    assert.equal(readOrigin({ source: "model" }), "The model wrote it.");
  });

  it("is told apart from no suggestion at all", () => {
    for (const raw of [null, undefined, {}, { source: "echo" }, { uri: 3, line: "4" }]) {
      assert.equal(readOrigin(raw), "There is no suggestion.");
    }
  });
});
