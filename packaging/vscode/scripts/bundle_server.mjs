// Puts the wheel that `make build` made (../../dist) into bundled/, from where the extension installs it.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const from = process.argv[2] ?? join("..", "..", "dist");
const wheels = existsSync(from) ? readdirSync(from).filter((name) => /^stardraft-.*\.whl$/.test(name)) : [];
if (wheels.length !== 1) {
  console.error(`There must be one wheel of stardraft in ${from}, and there are ${wheels.length}: run \`make build\` first.`);
  process.exit(1);
}
rmSync("bundled", { recursive: true, force: true });
mkdirSync("bundled");
copyFileSync(join(from, wheels[0]), join("bundled", wheels[0]));
console.log(`bundled/${wheels[0]}`);
