// What an item is called, which becomes a line to write in.
import { html, useLayoutEffect, useRef } from "../ui/html.js";
import { IconButton } from "../ui/button.js";
import { rename } from "./items.js";

/**
 * @param {{item: object, name: string, writing: {value: boolean}, onClick: () => void}} props
 *   `writing` says whether it is being renamed
 */
export function Name({ item, name, writing, onClick }) {
  const pencil = useRef(null);
  if (writing.value) {
    const end = (title) => {
      writing.value = false;
      if (title !== undefined && title.trim() !== (item.title ?? "")) rename(item, title);
      // The line to write in leaves with the next drawing, and the focus with it.
      requestAnimationFrame(() => pencil.current?.querySelector("button")?.focus());
    };
    return html`<${Line} item=${item} name=${name} onEnd=${end} />`;
  }
  return html`<div class="library-name" ref=${pencil}>
    <h2 title=${name} onClick=${onClick}>${name}</h2>
    ${!item.deleted_at && html`<${IconButton}
      icon="edit" label=${`Rename ${name}`} class="library-edit" onClick=${() => { writing.value = true; }}
    />`}
  </div>`;
}

function Line({ item, name, onEnd }) {
  const input = useRef(null);
  useLayoutEffect(() => input.current.select(), []);
  const keys = (event) => {
    if (event.key === "Enter") onEnd(event.currentTarget.value);
    if (event.key === "Escape") onEnd();
  };
  return html`<input
    class="input library-rename" aria-label=${`New name of ${name}`} maxlength="200" ref=${input}
    value=${item.title ?? ""} placeholder=${name} enterkeyhint="done"
    onKeyDown=${keys} onBlur=${(event) => event.currentTarget.isConnected && onEnd(event.currentTarget.value)}
  />`;
}
