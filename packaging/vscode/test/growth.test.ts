import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type Editor, FORCED_PACE_MS, Grower, type Item, PACE_MS, type Place, type Sent, SPARING_PACE_MS, type Way } from "../src/pure/growth.js";

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
 * An editor with one document and one cursor, as VS Code behaves: it shows what a provider answers, asks when it is
 * triggered, and does not ask twice by hand at one place; `kind`: whatever happens, unless it has a new provider, or not at all.
 */
class Screen implements Editor<Item> {
  readonly grower = new Grower<Item>(this);
  readonly questions: Question[] = [];
  readonly shown: string[] = [];
  blanks = 0;
  isGrowing = false;
  version = 1;
  character = 4;
  kind: "asks" | "asks strangers" | "stubborn" = "stubborn";
  isHidden = false;
  private now = 0;
  private timers: { at: number; work: () => void }[] = [];
  private askedByHandAt = "";

  get place(): Place {
    return { uri: "file:///a.py", version: this.version, line: 0, character: this.character, selected: "" };
  }

  get last(): Question {
    const question = this.questions.at(-1);
    assert.ok(question, "nothing was asked");
    return question;
  }

  /** Asks the provider; what it answers is on the screen afterwards. */
  async ask(byHand = false): Promise<void> {
    const place = this.place;
    const key = JSON.stringify(place);
    if (byHand && this.kind !== "asks" && this.askedByHandAt === key) {
      return;
    }
    const growth = await this.grower.provide(place, byHand, () => JSON.stringify(this.place) !== key);
    if (JSON.stringify(this.place) === key) {
      this.askedByHandAt = byHand ? key : "";
      this.shown.push(growth === undefined ? "" : growth.items.map((item) => item.insertText).join("|"));
    }
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
    }
    if (way === "forced" || (way === "renewed" && this.kind === "asks strangers")) {
      this.askedByHandAt = "";
    }
    await this.ask(true);
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
async function begun(): Promise<Screen> {
  const screen = new Screen();
  const asked = screen.ask();
  screen.last.grow("re");
  await asked;
  return screen;
}

describe("a suggestion on the screen", () => {
  it("begins with the first piece", async () => {
    const screen = await begun();
    assert.deepEqual(screen.shown, ["re"]);
    assert.equal(screen.questions.length, 1);
  });

  it("grows to its end, out of one question", async () => {
    const screen = await begun();
    for (const text of ["retu", "return", "return self", "return self.items"]) {
      screen.last.grow(text);
      await screen.pass(FORCED_PACE_MS + 1);
    }
    await screen.last.end("return self.items");
    await screen.pass(10_000);
    assert.deepEqual(screen.shown, ["re", "retu", "return", "return self", "return self.items"]);
    assert.equal(screen.questions.length, 1);
  });

  for (const kind of ["asks", "asks strangers"] as const) {
    it(`is not torn down to grow in an editor that ${kind}`, async () => {
      const screen = await begun();
      screen.kind = kind;
      for (const text of ["return", "return self", "return self.items"]) {
        screen.last.grow(text);
        await screen.pass(PACE_MS + 1);
      }
      assert.equal(screen.shown.at(-1), "return self.items");
      assert.equal(screen.shown.length, 4);
      assert.equal(screen.blanks, 0);
    });
  }

  it("is torn down no more often than the pace allows where nothing else helps, and shows the end", async () => {
    const screen = await begun();
    for (let n = 3; n <= 200; n += 1) {
      screen.last.grow("x".repeat(n));
      await screen.pass(10);
    }
    await screen.last.end("x".repeat(200));
    await screen.pass(1_000);
    assert.ok(screen.blanks <= Math.ceil(1_980 / FORCED_PACE_MS) + 2, `${screen.blanks} times`);
    assert.equal(screen.shown.at(-1), "x".repeat(200));
  });

  it("is not torn down at all when it is soon complete, in an editor that was seen to be stubborn", async () => {
    const screen = await begun();
    screen.last.grow("return");
    await screen.pass(PACE_MS + 1);
    await screen.last.end("return self");
    await screen.pass(1_000);
    assert.equal(screen.blanks, 1, "this is how it is seen");
    screen.type();
    const asked = screen.ask();
    screen.last.grow("for");
    await asked;
    screen.last.grow("for item");
    await screen.pass(SPARING_PACE_MS - 1);
    await screen.last.end("for item in self.items");
    await screen.pass(1_000);
    assert.equal(screen.shown.at(-1), "for item in self.items");
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

  it("does not come back when the person has hidden it", async () => {
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

describe("a person who goes on", () => {
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
    const again = screen.ask();
    await screen.last.end("return");
    await again;
    assert.deepEqual(screen.shown, ["", "return"]);
    assert.equal(screen.questions.length, 2);
  });

  it("is answered from what has come when the editor asks again by itself", async () => {
    const screen = await begun();
    await screen.last.end("return");
    await screen.ask();
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
    screen.grower.cancelled(screen.grower.current);
    assert.ok(screen.last.isCancelled);
  });
});
