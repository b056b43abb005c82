// What an item is called, and the line where that is written anew.
import { html, useLayoutEffect, useRef } from "../ui/html.js";
import { rename } from "./items.js";

/** @param {{name: string, onClick: () => void, children?: any}} props children follow the name */
export function Name({ name, onClick, children }) {
  return html`<div class="library-name">
    <h2 title=${name} onClick=${onClick}>${name}</h2>
    ${children}
  </div>`;
}

/** @param {{item: object, name: string, onEnd: () => void}} props */
export function NewName({ item, name, onEnd }) {
  const input = useRef(null);
  const over = useRef(false);  // an input that leaves the page is left by the focus as well
  useLayoutEffect(() => input.current.select(), []);
  const end = (title) => {
    if (over.current) return;
    over.current = true;
    if (title !== null && title.trim() !== (item.title ?? "")) rename(item, title);
    onEnd();
  };
  const keys = (event) => {
    if (event.key === "Enter") end(event.currentTarget.value);
    if (event.key === "Escape") end(null);
  };
  return html`<input
    class="input library-rename" aria-label=${`New name of ${name}`} maxlength="200" ref=${input}
    value=${item.title ?? ""} placeholder=${name} enterkeyhint="done"
    onKeyDown=${keys} onBlur=${(event) => end(event.currentTarget.value)}
  />`;
}
