/**
 * A suggestion that grows on the screen while it is made. Nothing of the editor or of the protocol is here.
 *
 * The editor asks a provider once and takes one answer. So the first piece is the answer, and whenever there is
 * more, the editor is made to ask again (`retrigger`) and gets what has come by then, from here, at once.
 *
 * Two things make that delicate:
 *
 * - What has come belongs to one place: a document's version and the cursor in it. Whoever asks at another place
 *   gets nothing of it, and at a place that is no longer the editor's nothing is triggered.
 * - VS Code that asked by hand at a place once does not ask the same providers there again: it takes what it has
 *   for an answer. That is noticed here: the trigger was carried out, and nobody asked. Newer ones ask again when
 *   there is a provider that they did not know (`renewed`). Older ones (1.100) have to forget what they show and ask
 *   anew, in one go (`forced`): that leaves a frame or two without the suggestion, so it is done seldom, and the one
 *   time that needs no force is kept for when it counts.
 */

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

/** How an editor is made to ask again, in the order in which it is tried. */
export const WAYS = ["plain", "renewed", "forced"] as const;
export type Way = (typeof WAYS)[number];

export interface Editor<I extends Item> {
  /** Asks the server; `onPiece` gets all that can be shown so far, each time it grows. */
  send(place: Place, invoked: boolean, onPiece: (items: readonly I[]) => void): Sent<I>;
  /** Whether this is still where the person is. */
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

/** The least time between two pieces on the screen: where the editor just asks, before force is needed, with force. */
export const PACE_MS = 60;
export const SPARING_PACE_MS = 600;
export const FORCED_PACE_MS = 800;

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
  /** The ways that do nothing here any more are behind this one. */
  way = 0;
  sent: Sent<I> | undefined;
  private open!: () => void;
  /** Settles with the first piece, or with the end. */
  readonly begun = new Promise<void>((resolve) => (this.open = resolve));

  constructor(
    readonly place: Place,
    readonly invoked: boolean,
  ) {}

  grow(items: readonly I[]): void {
    this.items = items;
    this.step += 1;
    this.open();
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
  /** What this editor was seen to need from the second time on: the weakest way that did it, or "" if not known. */
  private learned: Way | "" = "";

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

  /** The editor does not want its answer any more. What only the text's change ended, the server ends itself. */
  cancelled(growth: Growth<I> | undefined): void {
    if (growth !== undefined && growth === this.growth && growth.delivered < 0 && this.editor.isSameText(growth.place)) {
      this.forget();
    }
  }

  /** The person is elsewhere, or the text has changed. */
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

  /** Whether what is known of this place is an answer: not to a person who asks where the machine had asked. */
  private serves(known: Growth<I>, invoked: boolean): boolean {
    if (this.showing === known) {
      return true;
    }
    const isEmpty = known.isDone && known.items.length === 0;
    return !isEmpty && !known.isVoid && (!invoked || known.invoked);
  }

  private begin(place: Place, invoked: boolean): Growth<I> {
    const growth = new Growth<I>(place, invoked);
    growth.way = invoked ? 1 : 0;
    this.growth = growth;
    growth.sent = this.editor.send(place, invoked, (items) => {
      if (!growth.isDone) {
        growth.grow(items);
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
    if (growth === this.growth) {
      this.editor.onGrowing(false);
      this.timer?.();
      this.timer = undefined;
      this.schedule(growth);
    }
  }

  /** Sees to it that what has come is shown, when its time is. */
  private schedule(growth: Growth<I>): void {
    if (growth !== this.growth || this.timer !== undefined || this.showing === growth || !this.isBehind(growth)) {
      return;
    }
    const wait = Math.max(0, growth.deliveredAtMs + this.paceMs(growth) - this.editor.nowMs());
    this.timer = this.editor.later(wait, () => {
      this.timer = undefined;
      void this.show(growth);
    });
  }

  private paceMs(growth: Growth<I>): number {
    if (growth.isDone || this.learned !== "forced") {
      return PACE_MS;
    }
    return growth.way === 0 ? SPARING_PACE_MS : FORCED_PACE_MS;
  }

  /** Whether the editor has an answer, and another one than there is now. */
  private isBehind(growth: Growth<I>): boolean {
    return growth.delivered >= 0 && growth.delivered < growth.step && growth.text !== growth.deliveredText;
  }

  private async show(growth: Growth<I>): Promise<void> {
    if (!this.isWanted(growth)) {
      return;
    }
    const delivered = growth.delivered;
    this.showing = growth;
    try {
      for (const way of this.waysFor(growth)) {
        await this.editor.retrigger(way);
        if (growth.delivered !== delivered) {
          this.learned = growth.way > 0 ? way : this.learned;
          growth.way = 1;
          break;
        }
        growth.way = 1;
        if (!this.isWanted(growth)) {
          break;
        }
      }
    } finally {
      this.showing = undefined;
    }
    if (growth.delivered !== delivered) {
      this.schedule(growth); // otherwise the editor does not ask at all, and will not be pressed
    }
  }

  /** The plain way serves once; after that what this editor was seen to need, or everything until that is known. */
  private waysFor(growth: Growth<I>): readonly Way[] {
    if (growth.way === 0) {
      return this.learned === "forced" ? ["plain", "forced"] : WAYS;
    }
    return this.learned === "" ? WAYS : [this.learned];
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
