// What a person sees in VS Code's text editor, frame by frame: put into every page before its own scripts.
//
// `painted.frames` has every look of the line with the cursor that was painted, each once until it changes: so a
// suggestion that grew is several, and one that flickered has a frame without it. Only VS Code's own DOM is read.

(() => {
  const GHOST = '.ghost-text-decoration, .ghost-text-decoration-preview, .ghost-text';
  const HIDDEN = '.ghost-text-hidden';

  const plain = (text) => text.replace(/\u00a0/g, ' ').replace(/[\u200b-\u200f]/g, '');

  // The text of a line on the screen: all of it, what of it is not in the document, and what is covered up.
  function read(line) {
    const parts = { shown: '', ghost: '', real: '' };
    const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = plain(node.data);
      if (node.parentElement.closest(HIDDEN)) {
        parts.real += text;
        continue;
      }
      parts.shown += text;
      parts[node.parentElement.closest(GHOST) ? 'ghost' : 'real'] += text;
    }
    return parts;
  }

  function top(element) {
    return Math.round(element.getBoundingClientRect().top);
  }

  // The focused editor, else the one there is. Its cursor may blink, but keeps its place.
  function look() {
    const editor = document.querySelector('.part.editor .monaco-editor.focused') ??
      document.querySelector('.part.editor .monaco-editor');
    const cursor = editor?.querySelector('.cursors-layer .cursor');
    if (!cursor) return null;
    const line = [...editor.querySelectorAll('.view-lines > .view-line')].find((one) => top(one) === top(cursor));
    if (!line) return null;
    const { shown, ghost, real } = read(line);
    const more = [...editor.querySelectorAll('.view-zones .suggest-preview-text .view-line')]
      .sort((one, other) => top(one) - top(other)).map((one) => plain(one.textContent));
    return { line: real, shown: [shown, ...more], ghost: [ghost, ...more].join('\n') };
  }

  function forget() {
    painted.frames = [{ ...look(), at_ms: performance.now() }];
  }

  const painted = { frames: [], look, forget };
  let last;
  const { port1, port2 } = new MessageChannel();
  // A message sent in an animation frame arrives when that frame has been painted.
  port1.onmessage = () => {
    const now = look();
    const key = JSON.stringify(now);
    if (now && key !== last) painted.frames.push({ ...now, at_ms: performance.now() });
    last = key;
    requestAnimationFrame(() => port2.postMessage(0));
  };
  window.painted = painted;
  requestAnimationFrame(() => port2.postMessage(0));
})();
