import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  type Editor,
  Grower,
  HOLD_MS,
  type Item,
  PACE_MS,
  type Place,
  type Sent,
  type Steps,
  type Way,
  stepsIn,
} from "../src/pure/growth.js";

interface Question {
  readonly place: Place;
  readonly invoked: boolean;
  grow(text: string): void;
  end(...texts: string[]): Promise<void>;
  superseded(): Promise<void>;
  fail(): Promise<void>;
  isCancelled: boolean;
}

/**
 * An editor with one document and one cursor, as VS Code behaves: it shows what a provider answers, and asks again at
 * a place only by hand where it had asked by itself (`one`), or whenever there is a new provider (`many`).
 */
class Screen implements Editor<Item> {
  readonly grower = new Grower<Item>(this);
  readonly questions: Question[] = [];
  readonly shown: string[] = [];
  blanks = 0;
  isGrowing = false;
  version = 1;
  character = 4;
  /** It does not care for new providers, whatever its version says. */
  isStubborn = false;
  isHidden = false;
  private now = 0;
  private timers: { at: number; work: () => void }[] = [];
  private askedAt = "";
  private wasByHand = false;
  private nAsked = 0;

  constructor(readonly steps: Steps = "one") {}

  get place(): Place {
    return { uri: "file:///a.py", version: this.version, line: 0, character: this.character, selected: "" };
  }

  get last(): Question {
    const question = this.questions.at(-1);
    assert.ok(question, "nothing was asked");
    return question;
  }

  /** Asks the provider, unless what it said here is an answer; what it says is on the screen afterwards. */
  async ask(byHand = false, isRenewed = false): Promise<void> {
    const place = this.place;
    const key = JSON.stringify(place);
    if (this.askedAt === key && (this.wasByHand || !byHand) && !isRenewed) {
      return;
    }
    const asked = ++this.nAsked;
    const isCancelled = (): boolean => JSON.stringify(this.place) !== key || this.nAsked !== asked;
    const growth = await this.grower.provide(place, byHand, isCancelled);
    if (!isCancelled()) {
      this.askedAt = key;
      this.wasByHand = byHand;
      this.shown.push(growth === undefined ? "" : growth.items.map((item) => item.insertText).join("|"));
    }
  }

  /** It has waited for long enough. */
  losePatience(): void {
    this.nAsked += 1;
    this.grower.cancelled(this.grower.current);
  }

  /** One more character was typed. */
  type(): void {
    this.version += 1;
    this.character += 1;
    this.grower.moved();
  }

  move(): void {
    this.character += 1;
    this.grower.moved();
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.timers.sort((one, other) => one.at - other.at)[0];
      if (next === undefined || next.at > end) {
        break;
      }
      this.timers.shift();
      this.now = next.at;
      next.work();
      await settled();
    }
    this.now = end;
  }

  send(place: Place, invoked: boolean, onPiece: (items: readonly Item[]) => void): Sent<Item> {
    let answer!: (items: readonly Item[] | null) => void;
    let reject!: (error: Error) => void;
    const promise = new Promise<readonly Item[] | null>((resolve, no) => {
      answer = resolve;
      reject = no;
    });
    const question: Question = {
      place,
      invoked,
      isCancelled: false,
      grow: (text) => onPiece([{ insertText: text }]),
      end: (...texts) => {
        answer(texts.map((insertText) => ({ insertText })));
        return settled();
      },
      superseded: () => {
        answer(null);
        return settled();
      },
      fail: () => {
        reject(new Error("no daemon"));
        return settled();
      },
    };
    this.questions.push(question);
    const cancel = (): void => {
      question.isCancelled = true;
      answer(null);
    };
    return { answer: promise, cancel };
  }

  isCurrent(place: Place): boolean {
    return JSON.stringify(place) === JSON.stringify(this.place);
  }

  isSameText(place: Place): boolean {
    return place.version === this.version;
  }

  async retrigger(way: Way): Promise<void> {
    if (this.isHidden) {
      return;
    }
    if (way === "forced") {
      this.blanks += 1;
      this.askedAt = "";
    }
    await this.ask(way !== "renewed", way === "renewed" && !this.isStubborn);
  }

  later(ms: number, work: () => void): () => void {
    const timer = { at: this.now + ms, work };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((one) => one !== timer));
  }

  nowMs(): number {
    return this.now;
  }

  onGrowing(isGrowing: boolean): void {
    this.isGrowing = isGrowing;
  }
}

/** Lets everything that waits for a promise run. */
async function settled(): Promise<void> {
  for (let n = 0; n < 20; n += 1) {
    await Promise.resolve();
  }
}

/** A screen with the first piece on it. */
async function begun(steps: Steps = "one"): Promise<Screen> {
  const screen = new Screen(steps);
  const asked = screen.ask();
  screen.last.grow("re");
  await screen.pass(HOLD_MS);
  await asked;
  return screen;
}

/** A screen whose lines took longer than the first piece is held back for. */
async function slow(): Promise<Screen> {
  const screen = await begun();
  await screen.pass(HOLD_MS);
  await screen.last.end("return");
  await screen.pass(1_000);
  screen.type();
  return screen;
}

describe("what VS Code can do", () => {
  const versions: [string, readonly [number, number, number], Steps][] = [
    ["one step up to 1.100", [1, 100, 3], "one"],
    ["none where what is asked for by hand comes behind what is there", [1, 101, 0], "none"],
    ["none before its trigger has arguments", [1, 105, 1], "none"],
    ["many from 1.106 on", [1, 106, 0], "many"],
    ["many in what is to come", [2, 0, 0], "many"],
  ];
  for (const [what, version, steps] of versions) {
    it(`is ${what}`, () => assert.equal(stepsIn(version), steps));
  }
});

describe("a suggestion on the screen", () => {
  it("begins with the first piece", async () => {
    const screen = await begun();
    assert.deepEqual(screen.shown, ["re"]);
    assert.equal(screen.questions.length, 1);
  });

  it("grows to its end in many steps, out of one question", async () => {
    const screen = await begun("many");
    for (const text of ["retu", "return", "return self", "return self.items"]) {
      screen.last.grow(text);
      await screen.pass(PACE_MS + 1);
    }
    await screen.last.end("return self.items");
    await screen.pass(10_000);
    assert.deepEqual(screen.shown, ["re", "retu", "return", "return self", "return self.items"]);
    assert.equal(screen.questions.length, 1);
    assert.equal(screen.blanks, 0);
  });

  it("grows no faster than eyes can follow", async () => {
    const screen = await begun("many");
    for (let n = 3; n <= 102; n += 1) {
      screen.last.grow("x".repeat(n));
      await screen.pass(10);
    }
    assert.ok(screen.shown.length <= 1 + Math.ceil(1_000 / PACE_MS), `${screen.shown.length} looks`);
  });

  it("keeps its one step for the end", async () => {
    const screen = await begun();
    for (const text of ["retu", "return", "return self"]) {
      screen.last.grow(text);
      await screen.pass(500);
    }
    await screen.last.end("return self.items");
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, ["re", "return self.items"]);
    assert.equal(screen.blanks, 0);
  });

  it("appears whole where it could not grow", async () => {
    const screen = new Screen("none");
    const asked = screen.ask();
    screen.last.grow("re");
    await screen.pass(10_000);
    assert.deepEqual(screen.shown, []);
    await screen.last.end("return self.items");
    await asked;
    await screen.pass(10_000);
    assert.deepEqual(screen.shown, ["return self.items"]);
  });

  it("appears whole when it was asked for by hand, in an editor with one step", async () => {
    const screen = new Screen();
    const asked = screen.ask(true);
    screen.last.grow("re");
    await screen.pass(10_000);
    await screen.last.end("return", "raise");
    await asked;
    assert.deepEqual(screen.shown, ["return|raise"]);
    assert.equal(screen.blanks, 0);
  });

  it("grows when it was asked for by hand, in an editor with many steps", async () => {
    const screen = new Screen("many");
    const asked = screen.ask(true);
    screen.last.grow("re");
    await asked;
    await screen.last.end("return", "raise");
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, ["re", "return|raise"]);
  });

  it("waits a moment for its first line", async () => {
    const screen = new Screen();
    const asked = screen.ask();
    screen.last.grow("for item in");
    await screen.pass(HOLD_MS - 1);
    assert.deepEqual(screen.shown, []);
    screen.last.grow("for item in self.items:\n    re");
    await asked;
    assert.deepEqual(screen.shown, ["for item in self.items:\n    re"]);
  });

  it("does not wait where lines take longer", async () => {
    const screen = await slow();
    const asked = screen.ask();
    screen.last.grow("for");
    await asked;
    assert.equal(screen.shown.at(-1), "for");
  });

  it("waits again when lines have become fast", async () => {
    const screen = await slow();
    const asked = screen.ask();
    screen.last.grow("for");
    await screen.last.end("for item in self.items");
    await asked;
    await screen.pass(1_000);
    screen.type();
    const again = screen.ask();
    screen.last.grow("if");
    await settled();
    assert.equal(screen.shown.at(-1), "for item in self.items");
    await screen.pass(HOLD_MS);
    await again;
    assert.equal(screen.shown.at(-1), "if");
  });

  it("is not left half where the version promised too much", async () => {
    const screen = await begun("many");
    screen.isStubborn = true;
    for (const text of ["return", "return self"]) {
      screen.last.grow(text);
      await screen.pass(500);
    }
    assert.equal(screen.blanks, 0);
    await screen.last.end("return self.items");
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, ["re", "return self.items"]);
    assert.equal(screen.blanks, 1);
  });

  it("is left alone when the end says what is there already", async () => {
    const screen = await begun();
    await screen.last.end("re");
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, ["re"]);
  });

  it("goes away when nothing of it was worth showing in the end", async () => {
    const screen = await begun();
    await screen.last.end();
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, ["re", ""]);
  });

  it("does not come back when the user has hidden it", async () => {
    const screen = await begun();
    screen.grower.forget();
    screen.last.grow("return");
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, ["re"]);
    assert.ok(screen.last.isCancelled);
  });

  it("is not pressed on an editor that does not ask", async () => {
    const screen = await begun();
    screen.isHidden = true;
    screen.last.grow("return");
    await screen.pass(10_000);
    assert.deepEqual(screen.shown, ["re"]);
  });
});

describe("a user who goes on", () => {
  it("never sees what grew for the text before", async () => {
    const screen = await begun();
    const old = screen.last;
    screen.type();
    old.grow("return old");
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, ["re"]);
  });

  it("gets the rest of what is typed from a new question, and the server decides about the old", async () => {
    const screen = await begun();
    const old = screen.last;
    screen.type();
    const asked = screen.ask();
    assert.ok(!old.isCancelled, "the server may be making just what was typed");
    screen.last.grow("eturn");
    await screen.pass(HOLD_MS);
    await asked;
    await old.superseded();
    assert.deepEqual(screen.shown, ["re", "eturn"]);
  });

  it("ends what is made when only the cursor moves", async () => {
    const screen = await begun();
    screen.move();
    assert.ok(screen.last.isCancelled);
    assert.ok(!screen.isGrowing);
  });

  it("gets nothing of a question that was superseded", async () => {
    const screen = new Screen();
    const asked = screen.ask();
    await screen.last.superseded();
    await asked;
    assert.deepEqual(screen.shown, [""]);
  });

  it("gets nothing when the question fails, and a new question the next time", async () => {
    const screen = new Screen();
    const asked = screen.ask();
    await screen.last.fail();
    await asked;
    const again = screen.ask(true);
    await screen.last.end("return");
    await again;
    assert.deepEqual(screen.shown, ["", "return"]);
    assert.equal(screen.questions.length, 2);
  });

  it("is answered from what has come when the editor asks again by itself", async () => {
    const screen = await begun();
    await screen.last.end("return");
    await screen.ask(false, true);
    assert.equal(screen.shown.at(-1), "return");
    assert.equal(screen.questions.length, 1);
  });

  it("asks anew, by hand, where nothing came by itself", async () => {
    const screen = new Screen();
    const asked = screen.ask();
    await screen.last.end();
    await asked;
    const again = screen.ask(true);
    assert.ok(screen.last.invoked);
    await screen.last.end("return");
    await again;
    assert.deepEqual(screen.shown, ["", "return"]);
  });

  it("asks anew, by hand, where something stands, and gets all candidates", async () => {
    const screen = await begun();
    const first = screen.last;
    const asked = screen.ask(true);
    assert.ok(first.isCancelled);
    await screen.last.end("return", "raise");
    await asked;
    assert.equal(screen.shown.at(-1), "return|raise");
  });

  it("has its question ended when the editor does not want the answer", () => {
    const screen = new Screen();
    void screen.ask();
    screen.losePatience();
    assert.ok(screen.last.isCancelled);
  });

  it("gets what is late all the same, in an editor that takes it", async () => {
    const screen = new Screen("many");
    const asked = screen.ask();
    screen.losePatience();
    assert.ok(!screen.last.isCancelled);
    screen.last.grow("re");
    await screen.pass(1_000);
    await screen.last.end("return");
    await screen.pass(1_000);
    await asked;
    assert.deepEqual(screen.shown, ["re", "return"]);
    assert.equal(screen.questions.length, 1);
    assert.equal(screen.blanks, 0);
  });

  it("gets nothing that is late when they have gone on", async () => {
    const screen = new Screen("many");
    void screen.ask();
    screen.losePatience();
    screen.move();
    assert.ok(screen.last.isCancelled);
    screen.last.grow("re");
    await screen.pass(1_000);
    assert.deepEqual(screen.shown, []);
  });
});
