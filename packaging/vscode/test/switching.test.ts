import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type Change, type Layers, inGeneral, isOnFor, offIn, toggled, toggledFor } from "../src/pure/switching.js";

/** A user's settings, which take the changes as an editor does. */
class Settings {
  enabled: Layers<boolean>;
  off: Layers<readonly string[]>;

  constructor(enabled: Partial<Layers<boolean>> = {}, off: Partial<Layers<readonly string[]>> = {}) {
    this.enabled = { base: true, ...enabled };
    this.off = { base: [], ...off };
  }

  take(changes: readonly Change[]): void {
    for (const { key, scope, language, value } of changes) {
      const place = language === undefined ? scope : (`${scope}Language` as const);
      if (key === "enabled") {
        this.enabled = { ...this.enabled, [place]: value };
      } else {
        this.off = { ...this.off, [place]: value };
      }
    }
  }

  toggle(): void {
    this.take(toggled(this.enabled, new Map([["python", this.enabled]])));
  }

  togglePython(): void {
    this.take(toggledFor("python", this.enabled, this.off));
  }

  get isPythonOn(): boolean {
    return isOnFor("python", this.enabled, this.off);
  }

  /** All that is written, without what is not set. */
  get written(): unknown {
    return JSON.parse(JSON.stringify([this.enabled, this.off])) as unknown;
  }
}

describe("the switches", () => {
  const places = {
    nothing: new Settings(),
    "on in the workspace": new Settings({ workspace: true }),
    "off for the user, on in the workspace": new Settings({ global: false, workspace: true }),
    "left on by itself for the language": new Settings({ globalLanguage: true }),
    "off in the configuration file": new Settings({ base: false }),
    "off for the language in the configuration file": new Settings({}, { base: ["python", "sql"] }),
    "off in the list of the workspace": new Settings({}, { global: ["python"], workspace: ["python"] }),
    "on for the language only": new Settings({ global: false, globalLanguage: true }),
  };
  for (const [name, settings] of Object.entries(places)) {
    it(`switch each time, with ${name}`, () => {
      for (let n = 0; n < 4; n += 1) {
        const was = settings.isPythonOn;
        settings.togglePython();
        assert.equal(settings.isPythonOn, !was, `use ${n + 1} for the language: ${JSON.stringify(settings.written)}`);
      }
      for (let n = 0; n < 4; n += 1) {
        const was = inGeneral(settings.enabled);
        settings.toggle();
        assert.equal(inGeneral(settings.enabled), !was, `use ${n + 1}: ${JSON.stringify(settings.written)}`);
        if (was) {
          assert.ok(!settings.isPythonOn, "off is off, for each language");
        }
      }
    });
  }

  it("leave nothing behind after their second use", () => {
    const settings = new Settings();
    const before = settings.written;
    settings.togglePython();
    assert.deepEqual(settings.written, [{ base: true, globalLanguage: false }, { base: [] }]);
    settings.togglePython();
    assert.deepEqual(settings.written, before);
    settings.toggle();
    settings.toggle();
    assert.deepEqual(settings.written, before);
    settings.toggle();
    settings.togglePython();
    settings.toggle();
    assert.deepEqual(settings.written, before, "switched on for the language, then for all");
  });

  it("write where the setting stands already", () => {
    const settings = new Settings({ workspace: true, workspaceLanguage: true });
    settings.togglePython();
    assert.deepEqual(settings.enabled.workspaceLanguage, false);
    settings.toggle();
    assert.deepEqual(settings.enabled.workspace, false);
  });
});

describe("whose settings have suggestions off", () => {
  it("is the workspace's, which is stronger, or the user's", () => {
    assert.equal(offIn({ base: true, global: false }), "global");
    assert.equal(offIn({ base: true, global: true, workspace: false }), "workspace");
    assert.equal(offIn({ base: true, global: false, workspace: true }), undefined);
    assert.equal(offIn({ base: false }), undefined);
  });
});
