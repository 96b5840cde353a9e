/** Version numbers: which server this extension can work with. */

export type Version = readonly [major: number, minor: number, patch: number];

/** The oldest server that has everything this extension asks for. */
export const OLDEST_SERVER: Version = [0, 1, 0];

/** The version in what `stardraft --version` prints; undefined when there is none. */
export function readVersion(text: string): Version | undefined {
  const found = /(?:^|\s|v)(\d+)\.(\d+)\.(\d+)/.exec(text);
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3])];
}

export function compare(one: Version, other: Version): number {
  return one[0] - other[0] || one[1] - other[1] || one[2] - other[2];
}

export function shown(version: Version): string {
  return version.join(".");
}

/**
 * What a user has to know of a server's version beside this extension's; undefined when nothing.
 *
 * A server that is too old is not started. A newer one is: it may have learned something that this extension
 * does not know, but it speaks the same protocol. Before 1.0 the second number counts as the first does later.
 */
export function judge(
  server: Version,
  extension: Version,
  oldest: Version = OLDEST_SERVER,
): { readonly kind: "too-old" | "newer"; readonly sentence: string } | undefined {
  if (compare(server, oldest) < 0) {
    return {
      kind: "too-old",
      sentence: `The stardraft server here is ${shown(server)}, and this extension needs ${shown(oldest)} or newer: update it.`,
    };
  }
  if (series(server) > series(extension)) {
    return {
      kind: "newer",
      sentence: `The stardraft server here is ${shown(server)} and this extension ${shown(extension)}: update the extension.`,
    };
  }
  return undefined;
}

function series(version: Version): number {
  return version[0] * 1_000_000 + (version[0] === 0 ? version[1] : 0);
}
