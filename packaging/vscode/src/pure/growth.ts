/**
 * A suggestion that grows on the screen while it is made. Nothing of the editor or of the protocol is here.
 *
 * The editor asks a provider once and takes one answer. So the first piece is the answer, and when there is more,
 * the editor is made to ask again (`retrigger`) and gets what has come by then, from here, at once. What has come
 * belongs to one place: a document's version and the cursor in it. Whoever asks at another place gets nothing of it,
 * and at a place that is no longer the editor's nothing is triggered.
 *
 * How often an editor can be made to ask again, without a frame that lacks the suggestion, is in `stepsIn`. Where it
 * is once, that one time is kept for the end, and the first piece is chosen with some care (`reveal`).
 */

import { type Version, compare } from "./version.js";

/** Where a suggestion is asked for. `selected`: the entry of the editor's list that is selected, as JSON. */
export interface Place {
  readonly uri: string;
  readonly version: number;
  readonly line: number;
  readonly character: number;
  readonly selected: string;
}

/** What the editor is given. Growth compares `insertText`s only; the rest is the caller's. */
export interface Item {
  readonly insertText: string;
}

/** A question on its way. `answer`: null when a newer question took its place; it may reject. */
export interface Sent<I extends Item> {
  readonly answer: Promise<readonly I[] | null>;
  cancel(): void;
}

/** How often a suggestion that is on the screen can grow there. */
export type Steps = "many" | "one" | "none";

/**
 * What a version of VS Code can do, by its source (InlineCompletionsSource.fetch and InlineCompletionsModel; looked at
 * in 1.100, 1.103, 1.105, 1.106, 1.108, 1.112 and 1.139):
 *
 * - Up to 1.100 a place is asked about again only by hand, and only after the machine had asked: once.
 * - From 1.101 on, what is asked for by hand stands behind what is there, so nothing is seen to grow.
 * - From 1.106 on the trigger can ask as the machine does, which replaces what is there, if it is to ask a certain
 *   provider; and it does ask one that it has not asked here yet.
 */
export function stepsIn(version: Version): Steps {
  if (compare(version, [1, 106, 0]) >= 0) {
    return "many";
  }
  return compare(version, [1, 101, 0]) < 0 ? "one" : "none";
}

/**
 * How an editor is made to ask again: as the machine does, a provider that is new to it (`renewed`); by hand
 * (`plain`); by hand, after it has hidden what it shows (`forced`), which is seen.
 */
export type Way = "renewed" | "plain" | "forced";

export interface Editor<I extends Item> {
  readonly steps: Steps;
  /** Asks the server; `onPiece` gets all that can be shown so far, each time it grows. */
  send(place: Place, invoked: boolean, onPiece: (items: readonly I[]) => void): Sent<I>;
  /** Whether this is still where the user is. */
  isCurrent(place: Place): boolean;
  /** Whether the document still has this version. */
  isSameText(place: Place): boolean;
  /** Has the editor ask again, here. Settles when it has asked, or will not. */
  retrigger(way: Way): Promise<void>;
  /** Calls `work` after so many milliseconds; the result takes that back. */
  later(ms: number, work: () => void): () => void;
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number;
  /** Something is growing on the screen, or nothing is any more. */
  onGrowing(isGrowing: boolean): void;
}

/** The least time between two looks of a suggestion: faster is no use to eyes. */
export const PACE_MS = 80;
/** How long the first piece waits for its line, where it will stay alone until the end. */
export const HOLD_MS = 150;

/** One suggestion, from its question to its end. */
export class Growth<I extends Item> {
  items: readonly I[] = [];
  /** How often `items` changed, and which of these states the editor has. */
  step = 0;
  delivered = -1;
  deliveredAtMs = Number.NEGATIVE_INFINITY;
  deliveredText = "";
  isDone = false;
  /** Whether it ended without an answer of its own: superseded, cancelled or failed. */
  isVoid = false;
  /** Whether the editor lost patience: it has no answer, and waits for none. */
  isLate = false;
  /** Whether the editor was made to ask again, and did not: only the end is worth another try. */
  isRefused = false;
  sent: Sent<I> | undefined;
  /** When the first piece came, and whether a whole line or the end has. */
  firstAtMs: number | undefined;
  hasLine = false;
  /** Gives the editor its answer. */
  open!: () => void;
  /** Settles when there is something to show, or nothing will be. */
  readonly begun = new Promise<void>((resolve) => (this.open = resolve));

  constructor(
    readonly place: Place,
    readonly invoked: boolean,
  ) {}

  grow(items: readonly I[]): void {
    this.items = items;
    this.step += 1;
  }

  end(items: readonly I[] | null): void {
    this.isDone = true;
    this.isVoid = items === null;
    this.grow(items ?? []);
  }

  get text(): string {
    return textOf(this.items);
  }
}

export class Grower<I extends Item> {
  private growth: Growth<I> | undefined;
  private showing: Growth<I> | undefined;
  private timer: (() => void) | undefined;
  /** How long the last suggestion took from its first piece to its first whole line. */
  private lineMs = 0;

  constructor(private readonly editor: Editor<I>) {}

  /** The suggestion that the editor was given last, or is waiting for. */
  get current(): Growth<I> | undefined {
    return this.growth;
  }

  /**
   * The editor asks. The answer is what has come for this place, or the first piece that comes; undefined when
   * there is none and none will come.
   *
   * invoked: as if by hand. That is also how a question looks that `retrigger` caused.
   */
  async provide(place: Place, invoked: boolean, isCancelled: () => boolean): Promise<Growth<I> | undefined> {
    const growth = this.growthFor(place, invoked && this.showing === undefined);
    await growth.begun;
    if (isCancelled() || growth.isVoid) {
      return undefined;
    }
    growth.delivered = growth.step;
    growth.deliveredText = growth.text;
    growth.deliveredAtMs = this.editor.nowMs();
    this.schedule(growth);
    return growth;
  }

  /**
   * The editor does not want its answer any more. What only the text's change ended, the server ends itself.
   *
   * VS Code waits 750 ms for ghost text before it opens its list of words (1.110 and newer, by default). A model on a
   * slow computer takes longer than that: where it can be offered again, it is shown when it comes.
   */
  cancelled(growth: Growth<I> | undefined): void {
    if (growth === undefined || growth !== this.growth || growth.delivered >= 0) {
      return;
    }
    if (this.editor.isSameText(growth.place)) {
      if (this.editor.steps === "many" && this.editor.isCurrent(growth.place)) {
        growth.isLate = true;
      } else {
        this.forget();
      }
    }
  }

  /** The user is elsewhere, or the text has changed. */
  moved(): void {
    const growth = this.growth;
    if (growth === undefined || this.editor.isCurrent(growth.place)) {
      return;
    }
    if (this.editor.isSameText(growth.place)) {
      this.forget();
    } else {
      this.drop(); // the server has the change: it knows whether what it makes was just typed
    }
  }

  /** Nothing that was asked for is wanted any more. */
  forget(): void {
    const growth = this.growth;
    this.drop();
    if (growth !== undefined && !growth.isDone) {
      growth.sent?.cancel();
    }
  }

  private drop(): void {
    this.timer?.();
    this.timer = undefined;
    this.growth = undefined;
    this.editor.onGrowing(false);
  }

  private growthFor(place: Place, invoked: boolean): Growth<I> {
    const known = this.growth;
    if (known !== undefined && isSamePlace(known.place, place) && this.serves(known, invoked)) {
      return known;
    }
    if (known !== undefined && this.editor.isSameText(known.place)) {
      this.forget();
    } else {
      this.drop();
    }
    return this.begin(place, invoked);
  }

  /** Whether what is known of this place is an answer: not to a user who asks where the machine had asked. */
  private serves(known: Growth<I>, invoked: boolean): boolean {
    if (this.showing === known) {
      return true;
    }
    const isEmpty = known.isDone && known.items.length === 0;
    return !isEmpty && !known.isVoid && (!invoked || known.invoked);
  }

  private begin(place: Place, invoked: boolean): Growth<I> {
    const growth = new Growth<I>(place, invoked);
    this.growth = growth;
    growth.sent = this.editor.send(place, invoked, (items) => {
      if (!growth.isDone) {
        growth.grow(items);
        this.reveal(growth);
        this.schedule(growth);
      }
    });
    growth.sent.answer.then(
      (items) => this.ended(growth, items),
      () => this.ended(growth, null),
    );
    this.editor.onGrowing(true);
    return growth;
  }

  private ended(growth: Growth<I>, items: readonly I[] | null): void {
    growth.end(items);
    this.reveal(growth);
    if (growth === this.growth) {
      this.editor.onGrowing(false);
      this.timer?.();
      this.timer = undefined;
      this.schedule(growth);
    }
  }

  /**
   * Something has come: the editor gets its answer now, or later.
   *
   * With one step to come, at the end, a first piece that is one token may stand there for long. So it waits a moment
   * for its line, if lines came that fast the last time. What was asked for by hand is shown once, and so is
   * everything where there are no steps: with the end.
   */
  private reveal(growth: Growth<I>): void {
    this.measure(growth);
    if (growth.isDone || this.editor.steps === "many") {
      growth.open();
    } else if (this.editor.steps === "one" && !growth.invoked) {
      if (growth.hasLine || this.lineMs > HOLD_MS) {
        growth.open();
      } else if (growth.step === 1) {
        this.editor.later(HOLD_MS, () => growth.open());
      }
    }
  }

  private measure(growth: Growth<I>): void {
    const now = this.editor.nowMs();
    growth.firstAtMs ??= now;
    if (!growth.hasLine && !growth.isVoid && (growth.isDone || hasWholeLine(growth.items))) {
      growth.hasLine = true;
      this.lineMs = now - growth.firstAtMs;
    }
  }

  /** Sees to it that what has come is shown, when its time is. */
  private schedule(growth: Growth<I>): void {
    const isWaiting = this.timer !== undefined || this.showing === growth;
    if (growth !== this.growth || isWaiting || !this.isBehind(growth) || this.waysFor(growth).length === 0) {
      return;
    }
    const wait = Math.max(0, growth.deliveredAtMs + PACE_MS - this.editor.nowMs());
    this.timer = this.editor.later(wait, () => {
      this.timer = undefined;
      void this.show(growth);
    });
  }

  /** Whether the editor has another answer than there is now, or waits for none any more. */
  private isBehind(growth: Growth<I>): boolean {
    const isAnswered = growth.delivered >= 0 || growth.isLate;
    return isAnswered && growth.delivered < growth.step && growth.text !== growth.deliveredText;
  }

  private async show(growth: Growth<I>): Promise<void> {
    if (!this.isWanted(growth)) {
      return;
    }
    const { delivered, isDone: wasDone } = growth;
    this.showing = growth;
    try {
      for (const way of this.waysFor(growth)) {
        await this.editor.retrigger(way);
        if (growth.delivered !== delivered || !this.isWanted(growth)) {
          break;
        }
      }
    } finally {
      this.showing = undefined;
    }
    growth.isRefused = growth.delivered === delivered;
    if (!growth.isRefused || !wasDone) {
      this.schedule(growth); // more may have come meanwhile; who refused the end is not pressed
    }
  }

  /** A beginning that nothing but force makes whole is not left alone, which would be worse than a frame without it. */
  private waysFor(growth: Growth<I>): readonly Way[] {
    if (this.editor.steps === "many") {
      return growth.isDone ? ["renewed", "forced"] : growth.isRefused ? [] : ["renewed"];
    }
    return growth.isDone ? ["plain", "forced"] : [];
  }

  private isWanted(growth: Growth<I>): boolean {
    return growth === this.growth && this.isBehind(growth) && this.editor.isCurrent(growth.place);
  }
}

export function isSamePlace(one: Place, other: Place): boolean {
  return (
    one.uri === other.uri &&
    one.version === other.version &&
    one.line === other.line &&
    one.character === other.character &&
    one.selected === other.selected
  );
}

/** What the items would show, all of them, so that a change in any is one. */
function textOf(items: readonly Item[]): string {
  return items.map((item) => item.insertText).join("\0");
}

function hasWholeLine(items: readonly Item[]): boolean {
  const text = items[0]?.insertText ?? "";
  return text.slice(0, text.lastIndexOf("\n") + 1).trim() !== "";
}
