import { html, signal } from "./html.js";
import { Button, IconButton } from "./button.js";
import { Icon } from "./icon.js";

const SHOWN_MS = 6000;
const WITH_UNDO_MS = 10_000;
const shown = signal([]);
let number = 0;

/**
 * Says something in passing, at the lower edge.
 * @param {string} text
 * @param {{undo?: () => void, kind?: "good"|"danger"}} [options] `undo` adds a button that takes
 *   back what was done; the same text without one is not shown twice
 */
export function toast(text, { undo, kind } = {}) {
  const id = (number += 1);
  const others = shown.value.filter((one) => undo || one.undo || one.text !== text);
  shown.value = [...others.slice(-2), { id, text, undo, kind }];
  setTimeout(() => close(id), undo ? WITH_UNDO_MS : SHOWN_MS);
}

/**
 * Says what went wrong and what to do.
 * @param {unknown} error
 */
export function toastError(error) {
  toast(error?.detail || error?.message || String(error), { kind: "danger" });
}

function close(id) {
  shown.value = shown.value.filter((one) => one.id !== id);
}

/** Where toasts appear; the shell holds one. */
export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.value.map(({ id, text, undo, kind }) => html`<div
      key=${id} class=${kind ? `toast toast-${kind}` : "toast"}
    >
      ${kind === "danger" && html`<${Icon} name="alert" />`}
      <p>${text}</p>
      ${undo && html`<${Button} kind="quiet" small onClick=${() => { close(id); undo(); }}>Undo<//>`}
      <${IconButton} icon="close" label="Dismiss" onClick=${() => close(id)} />
    </div>`)}
  </div>`;
}
