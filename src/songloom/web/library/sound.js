// The recordings of a row, drawn only while the row is near to what is seen.
import { html, useEffect, useRef, useSignal } from "../ui/html.js";
import { Player } from "../ui/player.js";

const NEAR = "300px";
const REST_MS = 150;  // without scrolling, until waveforms are drawn
let scrolled = -Infinity;
addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true });

/** @param {{item: object, name: string}} props */
export function Sound({ item, name }) {
  if (!item.outputs.length) return null;
  return html`<div class="library-sound">
    ${item.outputs.map((output, number) => html`<${Nearby} key=${output.name}>
      ${(handle) => html`<${Player}
        src=${output.url} peaks=${output.peaks} seconds=${output.seconds} compact loop=${false} handle=${handle}
        label=${item.outputs.length > 1 ? `${name}, take ${number + 1}` : name}
      />`}
    <//>`)}
  </div>`;
}

/**
 * Keeps a place for a player; hundreds of waveforms at once would make scrolling slow. One that
 * plays stays, however far it is.
 */
function Nearby({ children }) {
  const place = useRef(null);
  const handle = useRef(null);
  const near = useSignal(false);
  useEffect(() => {
    let timer;
    const settle = (seen) => {
      if (performance.now() - scrolled < REST_MS) timer = setTimeout(settle, REST_MS, seen);
      else if (seen || handle.current?.media.paused !== false) near.value = seen;
    };
    const watcher = new IntersectionObserver((entries) => {
      clearTimeout(timer);
      settle(entries.at(-1).isIntersecting);
    }, { rootMargin: NEAR });
    watcher.observe(place.current);
    return () => {
      clearTimeout(timer);
      watcher.disconnect();
    };
  }, []);
  return html`<div class="library-player" ref=${place}>${near.value && children(handle)}</div>`;
}
