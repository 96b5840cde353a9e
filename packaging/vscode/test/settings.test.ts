import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { type Inspected, OLD_KEYS, SERVER_KEYS, serverSettings } from "../src/pure/settings.js";

/** Settings by key, or "key@language". */
function given(values: Readonly<Record<string, Inspected>>): Record<string, unknown> {
  return serverSettings((key, language) => values[language === undefined ? key : `${key}@${language}`]);
}

interface Property {
  readonly default: unknown;
  readonly markdownDescription?: string;
  readonly markdownDeprecationMessage?: string;
}

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as {
  contributes: {
    commands: { command: string }[];
    keybindings: { command: string; when: string }[];
    configuration: { properties: Record<string, Property> }[];
  };
};

describe("the settings for the server", () => {
  it("are those that a user has set, and no defaults", () => {
    assert.deepEqual(given({}), {});
    assert.deepEqual(given({ mode: { globalValue: "line" }, candidates: {} }), { mode: "line" });
  });

  it("are the workspace's before the user's", () => {
    const mode = { globalValue: "line", workspaceValue: "block" };
    assert.deepEqual(given({ mode }), { mode: "block" });
  });

  it("keep a false, and take null for not set", () => {
    assert.deepEqual(given({ enabled: { globalValue: false }, mode: { globalValue: null } }), { enabled: false });
  });

  it("have what is set for one language under its name", () => {
    const found = given({
      enabled: { languageIds: ["markdown", "python"] },
      "enabled@markdown": { globalLanguageValue: false },
      "enabled@python": { globalLanguageValue: false, workspaceLanguageValue: true },
    });
    assert.deepEqual(found, { languages: { markdown: { enabled: false }, python: { enabled: true } } });
  });

  it("have what was set under the name of the version before, too", () => {
    const languagesOff = { globalValue: ["markdown"] };
    assert.deepEqual(given({ languagesOff }), { languagesOff: ["markdown"] });
  });

  it("have the folders as they are", () => {
    const folders = { "vendor/**": { enabled: false } };
    assert.deepEqual(given({ folders: { globalValue: folders } }), { folders });
  });
});

describe("the manifest", () => {
  const properties = Object.assign({}, ...manifest.contributes.configuration.map((one) => one.properties)) as Record<
    string,
    Property
  >;

  it("has every setting of the server, described", () => {
    for (const key of [...SERVER_KEYS, "folders"]) {
      assert.ok(properties[`stardraft.${key}`]?.markdownDescription, key);
    }
  });

  it("has the names of the version before, each with what to do", () => {
    for (const key of OLD_KEYS) {
      assert.match(properties[`stardraft.${key}`]?.markdownDeprecationMessage ?? "", /Rename it|Remove it/, key);
    }
  });

  it("gives keys to commands that there are, and only where they cannot be in the way", () => {
    const commands = new Set(manifest.contributes.commands.map((one) => one.command));
    for (const { command, when } of manifest.contributes.keybindings) {
      assert.ok(commands.has(command), command);
      assert.match(when, /inlineSuggestionVisible|stardraft\.running/);
    }
  });
});
