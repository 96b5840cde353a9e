import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { judge, readVersion } from "../src/pure/version.js";

describe("a version", () => {
  it("is read from what the program prints", () => {
    assert.deepEqual(readVersion("stardraft 0.12.3\n"), [0, 12, 3]);
    assert.deepEqual(readVersion("Python 3.13.0rc1"), [3, 13, 0]);
    assert.deepEqual(readVersion("v1.2.3-4-gabc"), [1, 2, 3]);
    assert.equal(readVersion("command not found"), undefined);
  });

  it("that is too old is told with the one that is needed", () => {
    const verdict = judge([0, 1, 9], [0, 3, 0], [0, 2, 0]);
    assert.equal(verdict?.kind, "too-old");
    assert.match(verdict.sentence, /0\.1\.9.*0\.2\.0 or newer/);
  });

  it("that is newer by a series is told", () => {
    assert.equal(judge([0, 2, 0], [0, 1, 5], [0, 1, 0])?.kind, "newer");
    assert.equal(judge([2, 0, 0], [1, 9, 0], [0, 1, 0])?.kind, "newer");
  });

  it("of the same series is nothing to tell", () => {
    assert.equal(judge([0, 1, 9], [0, 1, 0], [0, 1, 0]), undefined);
    assert.equal(judge([1, 4, 0], [1, 2, 0], [0, 1, 0]), undefined);
    assert.equal(judge([0, 1, 0], [0, 3, 0], [0, 1, 0]), undefined);
  });
});
