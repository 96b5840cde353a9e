// The extension in one file, dist/extension.js, and dist/NOTICES.txt: the licenses of what is bundled in it.
// --production: small, and without a map.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

const isProduction = process.argv.includes("--production");
const { metafile } = await build({
  entryPoints: ["src/extension.ts"],
  bundle: true,
  outfile: "dist/extension.js",
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["vscode"],
  minify: isProduction,
  sourcemap: !isProduction,
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
  // Dependencies that have both kinds of modules are taken as ES modules: of those only what is used is bundled.
  mainFields: ["module", "main"],
});

const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const packages = new Set(Object.keys(metafile.inputs).flatMap((input) => folder.exec(input)?.[1] ?? []));
const notices = [...packages].sort().map((name) => {
  const { name: title, version, license } = JSON.parse(readFileSync(join(name, "package.json"), "utf8"));
  const text = readdirSync(name).find((file) => /^licen[cs]e/i.test(file));
  if (text === undefined) {
    throw new Error(`${title} has no license text to pass on`);
  }
  return `${title} ${version} (${license})\n\n${readFileSync(join(name, text), "utf8").trim()}\n`;
});
const rule = `\n${"-".repeat(80)}\n\n`;
writeFileSync("dist/NOTICES.txt", ["dist/extension.js has these packages in it.\n", ...notices].join(rule));
