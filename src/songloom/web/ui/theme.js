import { html, signal } from "./html.js";
import { Segmented } from "./field.js";
import { Icon } from "./icon.js";

const KEY = "songloom.theme";
const chosen = signal(document.documentElement.dataset.theme ?? "auto");

/**
 * Takes a theme, and keeps it in this browser.
 * @param {"auto"|"light"|"dark"} theme `auto` is the system's
 */
export function setTheme(theme) {
  chosen.value = theme;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It then holds for this visit.
  }
}

/** The theme that was chosen. */
export const theme = chosen;

/** Three small pictures to choose the theme by. */
export function ThemeSwitch() {
  const picture = (name, label) => html`<${Icon} name=${name} /><span class="unseen">${label}</span>`;
  return html`<div class="theme-switch"><${Segmented}
    label="Colours" hideLabel value=${chosen.value} onChange=${setTheme}
    options=${[
      { value: "light", label: picture("sun", "Light") },
      { value: "auto", label: picture("auto", "Same as system") },
      { value: "dark", label: picture("moon", "Dark") },
    ]}
  /></div>`;
}
