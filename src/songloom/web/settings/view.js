// Settings: what this machine has, who may use it, how it looks, and how programs reach it.

import { html, useEffect } from "../ui/html.js";
import { Segmented } from "../ui/field.js";
import { setTheme, theme } from "../ui/theme.js";
import { Machine } from "./machine.js";
import { Models } from "./models.js";
import { Programs } from "./programs.js";
import { Tokens } from "./tokens.js";

const SECTIONS = [
  ["models", "Models", Models],
  ["machine", "This computer", Machine],
  ["tokens", "Access", Tokens],
  ["appearance", "Appearance", Appearance],
  ["programs", "API", Programs],
];

/**
 * @param {{route: {id: string|null}}} props  `id` names a section to begin with
 */
export default function Settings({ route }) {
  useEffect(() => {
    if (route.id) goTo(route.id);
    else scrollTo(0, 0);
  }, [route.id]);
  return html`
    <div class="view settings">
      <h1>Settings</h1>
      <div class="settings-body">
        <nav class="settings-nav" aria-label="Settings">
          <ul>
            ${SECTIONS.map(([id, name]) => html`
              <li><a href=${`#/settings/${id}`} onClick=${() => goTo(id)}>${name}</a></li>
            `)}
          </ul>
        </nav>
        <div class="stack">
          ${SECTIONS.map(([id, name, Section]) => html`
            <section key=${id} class="card settings-section" aria-labelledby=${`settings-${id}`}>
              <h2 id=${`settings-${id}`} tabindex="-1">${name}</h2>
              <${Section} />
            </section>
          `)}
        </div>
      </div>
    </div>
  `;
}

function Appearance() {
  return html`<${Segmented}
    label="Colours" value=${theme.value} onChange=${setTheme}
    options=${[
      { value: "auto", label: "Same as system" },
      { value: "light", label: "Light" },
      { value: "dark", label: "Dark" },
    ]}
    help="Saved in this browser."
  />`;
}

const ENOUGH_MS = 3000;
const OWN_WAY = ["wheel", "touchstart", "keydown", "pointerdown"];

/** Goes to a section, and stays there while those above it still grow, unless one moves on. */
function goTo(id) {
  const heading = document.getElementById(`settings-${id}`);
  if (!heading) return;
  const show = () => heading.scrollIntoView({ block: "start" });
  const growth = new ResizeObserver(show);
  const stop = () => {
    growth.disconnect();
    OWN_WAY.forEach((name) => removeEventListener(name, stop));
  };
  growth.observe(heading.closest(".stack"));
  OWN_WAY.forEach((name) => addEventListener(name, stop));
  setTimeout(stop, ENOUGH_MS);
  show();
  heading.focus({ preventScroll: true });
}
