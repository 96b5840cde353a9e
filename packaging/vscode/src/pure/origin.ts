/** Where a suggestion came from, as the server answers `stardraft/origin`. */

/** A line of the user's own code, counted from 0. */
export interface Place {
  readonly uri: string;
  readonly line: number;
}

/** A place, or a sentence that says why there is none. */
export type Origin = Place | string;

/** What came over the wire; null when there was no suggestion. */
export function readOrigin(raw: unknown): Origin {
  const found = raw as { readonly source?: unknown; readonly uri?: unknown; readonly line?: unknown } | null;
  if (typeof found?.uri === "string" && typeof found.line === "number") {
    return { uri: found.uri, line: found.line };
  }
  return found?.source === "model" ? "The model wrote it." : "There is no suggestion.";
}
