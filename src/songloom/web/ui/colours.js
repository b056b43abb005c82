// Colours for what is drawn on a canvas, which knows no custom properties.
import { effect, signal } from "./html.js";
import { theme } from "./theme.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const dark = signal(system.matches);
system.addEventListener("change", () => {
  dark.value = system.matches;
});

/**
 * A custom property's colour as it is now.
 * @param {string} name such as "--accent"
 */
export function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/**
 * Draws now, and again whenever the theme changes.
 * @param {() => void} draw
 * @returns {() => void} ends that
 */
export function onTheme(draw) {
  return effect(() => {
    void theme.value;
    void dark.value;
    draw();
  });
}
