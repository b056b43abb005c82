import { html, signal, useId, useLayoutEffect, useRef } from "./html.js";
import { Button, IconButton } from "./button.js";

/**
 * A native dialog, which keeps the focus and closes on Escape.
 * @param {{open: boolean, onClose: () => void, title: string, children: any, actions?: any,
 *   wide?: boolean}} props
 */
export function Dialog({ open, onClose, title, children, actions, wide }) {
  const element = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = element.current;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  // The event comes late: by then the dialog may be open again, for another question.
  const closed = () => open && !element.current.open && onClose();
  const outside = (event) => event.target === element.current && onClose();
  return html`<dialog
    ref=${element} class=${wide ? "dialog dialog-wide" : "dialog"} aria-labelledby=${id}
    onClose=${closed} onMouseDown=${outside}
  >
    ${open && html`<div class="dialog-inside">
      <header>
        <h2 id=${id}>${title}</h2>
        <${IconButton} icon="close" label="Close" onClick=${onClose} />
      </header>
      <div class="dialog-body">${children}</div>
      ${actions && html`<footer>${actions}</footer>`}
    </div>`}
  </dialog>`;
}

const question = signal(null);

/**
 * Asks whether something is meant. Prefer undo to questions.
 * @param {{title: string, text: any, action: string, otherwise?: string, danger?: boolean}} asked
 *   `otherwise` is what leaves all as it is
 * @returns {Promise<boolean>}
 */
export function confirm(asked) {
  question.value?.answer(false);
  return new Promise((answer) => {
    question.value = { ...asked, answer };
  });
}

/** Where `confirm` asks; the shell holds one. */
export function Questions() {
  const asked = question.value;
  const end = (answer) => {
    question.value = null;
    asked?.answer(answer);
  };
  return html`<${Dialog}
    open=${asked !== null} onClose=${() => end(false)} title=${asked?.title ?? ""}
    actions=${html`
      <${Button} onClick=${() => end(false)}>${asked?.otherwise ?? "Keep"}<//>
      <${Button} kind=${asked?.danger ? "danger" : "primary"} onClick=${() => end(true)}>${asked?.action}<//>
    `}
  ><p>${asked?.text}</p><//>`;
}
