// A browser that a test drives: one JSON object per line comes in, one goes out for each, in the same order.
//
//   node driver.mjs FOLDER      FOLDER as `.ci/vscode` makes it: `chromium`, and node_modules/playwright-core
//
// Here is what a browser can do (pages, keys, pictures), nothing that knows of VS Code: that is in ../vscode.py, and in
// painted.js, which is put into every page before its own scripts.
//
// In:  {"do": "press", "page": 0, "with": ["Tab"]}
// Out: {"answer": ...}, or {"error": "..."}

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import readline from 'node:readline';

const folder = path.resolve(process.argv[2]);
const { chromium } = createRequire(path.join(folder, 'package.json'))('playwright-core');
const SIZE = { width: 1200, height: 700 };

const browser = await chromium.launch({
  executablePath: path.join(folder, 'chromium'),
  // Chromium refuses its own sandbox to root, which tests in containers are.
  chromiumSandbox: process.getuid() !== 0,
  // A window that another one covers must paint all the same: two are looked at. No name is resolved: nothing is
  // fetched from anywhere but this computer.
  args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', '--disable-gpu', '--disable-dev-shm-usage',
    '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding',
    '--disable-background-timer-throttling'],
});
const pages = [];

const actions = {
  // A window of its own, with no cookies and no storage of another. Answers the page's number.
  async open(_page, url) {
    const context = await browser.newContext({ viewport: SIZE, colorScheme: 'dark', locale: 'en-GB' });
    await context.addInitScript({ path: fileURLToPath(new URL('painted.js', import.meta.url)) });
    const page = await context.newPage();
    page.said = [];
    page.on('console', (message) => page.said.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => page.said.push(`error: ${error.message}`));
    // VS Code asks whether to leave; nobody is there to say so.
    page.on('dialog', (dialog) => dialog.accept());
    pages.push(page);
    await page.goto(url, { waitUntil: 'commit' });
    return pages.length - 1;
  },
  close: (page) => page.context().close(),
  press: (page, key) => page.keyboard.press(key),
  type: (page, text) => page.keyboard.type(text),
  // A whole text at once, as from the clipboard or an input method.
  insert: (page, text) => page.keyboard.insertText(text),
  click: (page, selector) => page.click(selector, { timeout: 10_000 }),
  hover: (page, selector) => page.hover(selector, { timeout: 10_000 }),
  // The value of a JavaScript expression in the page; with an argument, of a function that is given it.
  evaluate: (page, code, argument) => page.evaluate(argument === undefined ? code : `(${code})(${JSON.stringify(argument)})`),
  // A picture, written to a file. `clip` {x, y, width, height} in pixels, else the whole window.
  async picture(page, file, clip) {
    await page.screenshot({ path: file, clip: clip ?? undefined, animations: 'allow' });
  },
  said: (page) => page.said,
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let reply;
  try {
    const answer = await actions[request.do](pages[request.page], ...(request.with ?? []));
    reply = { answer: answer ?? null };
  } catch (error) {
    reply = { error: `${request.do}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
await browser.close();
