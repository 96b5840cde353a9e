/** How a server that died is started again: soon at first, then later and later, and at some point not at all. */

export const FIRST_WAIT_MS = 1_000;
export const LONGEST_WAIT_MS = 30_000;
/** So many deaths within so long are given up. */
export const MOST_DEATHS = 5;
export const WITHIN_MS = 5 * 60_000;

export class Backoff {
  private deaths: number[] = [];

  /** It died now. The milliseconds to wait before it is started again; undefined: it is given up. */
  died(nowMs: number): number | undefined {
    this.deaths = this.deaths.filter((at) => nowMs - at < WITHIN_MS);
    this.deaths.push(nowMs);
    if (this.deaths.length >= MOST_DEATHS) {
      return undefined;
    }
    return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.deaths.length - 1));
  }

  /** A user starts it: what was before does not count. */
  reset(): void {
    this.deaths = [];
  }
}
