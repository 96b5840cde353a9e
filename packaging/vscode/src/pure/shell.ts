/** A command line for a user's own shell, so that they see what runs and can run it again. */

/** `shell`: the path of the shell that a terminal opens. */
export function commandLine(shell: string, words: readonly string[]): string {
  const name = (shell.split(/[\\/]/).pop() ?? "").toLowerCase().replace(/\.exe$/, "");
  if (name === "cmd") {
    return words.map((word) => (isPlain(word) ? word : `"${word.replaceAll('"', '""')}"`)).join(" ");
  }
  if (name === "pwsh" || name === "powershell") {
    const quoted = words.map((word) => (isPlain(word) ? word : `'${word.replaceAll("'", "''")}'`)).join(" ");
    return quoted.startsWith("'") ? `& ${quoted}` : quoted;
  }
  return words
    .map((word) => (isPlain(word) && !word.includes("\\") ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

function isPlain(word: string): boolean {
  return /^[\w@+=:,./\\-]+$/.test(word);
}
