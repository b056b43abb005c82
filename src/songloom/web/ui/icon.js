// The page's own icons: 24 units wide, drawn with one line.
import { classes, html } from "./html.js";

const PATHS = {
  again: "M20 11A8 8 0 1 0 18 16.5M20 5v6h-6",
  alert: "M12 4 2.8 19.5h18.4L12 4ZM12 10v4.5M12 17.2v.1",
  arrow: "M5 12h14M13 6l6 6-6 6",
  auto: "M12 4a8 8 0 1 0 0 16ZM12 4a8 8 0 0 1 0 16",
  back: "M19 12H5M11 6l-6 6 6 6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  chip: "M7 7h10v10H7ZM10 3.5V7M14 3.5V7M10 17v3.5M14 17v3.5M3.5 10H7M3.5 14H7M17 10h3.5M17 14h3.5",
  close: "M6 6l12 12M18 6L6 18",
  code: "M9 7l-5 5 5 5M15 7l5 5-5 5",
  compare: "M8 5v14M5 8l3-3 3 3M16 19V5M13 16l3 3 3-3",
  copy: "M9 9h10v11H9ZM15 9V4H5v11h4",
  create: "M4 10v4M8 6v12M12 9v6M16 4v16M20 10v4",
  dice: "M5 5h14v14H5ZM9 9v.1M15 15v.1M15 9v.1M9 15v.1M12 12v.1",
  down: "M6 9l6 6 6-6",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  edit: "M5 19l1-4L16.5 4.5l3 3L9 18l-4 1ZM14 7l3 3",
  external: "M13 5h6v6M19 5l-9 9M9 6H5v13h13v-4",
  folder: "M3.5 18.5V6h6l2 2.5h9v10Z",
  heart: "M12 20C5 15.5 3.5 12 3.5 9.2A4.4 4.4 0 0 1 12 7.5a4.4 4.4 0 0 1 8.5 1.7C20.5 12 19 15.5 12 20Z",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17ZM12 11v5M12 8v.1",
  key: "M15.5 4a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM12.3 11.7 4.5 19.5M7 17l2.5 2.5",
  library: "M5 5v14M9.5 5v14M14 5.5l4.5 13",
  loop: "M7 4.5 4 7.5l3 3M4 7.5h12a4 4 0 0 1 4 4M17 19.5l3-3-3-3M20 16.5H8a4 4 0 0 1-4-4",
  melody: "M9 18V6l10-2v11.5M9 18a2.5 2.5 0 1 1-2.5-2.5A2.5 2.5 0 0 1 9 18ZM19 15.5a2.5 2.5 0 1 1-2.5-2.5 2.5 2.5 0 0 1 2.5 2.5Z",
  mic: "M12 3.5a3 3 0 0 0-3 3V12a3 3 0 0 0 6 0V6.5a3 3 0 0 0-3-3ZM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3",
  moon: "M19.5 14A8 8 0 0 1 10 4.5a8 8 0 1 0 9.5 9.5Z",
  more: "M5.5 12v.1M12 12v.1M18.5 12v.1",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  play: "M8 5.2v13.6L18.5 12Z",
  plus: "M12 5v14M5 12h14",
  restore: "M4 11a8 8 0 1 1 2 5.5M4 5v6h6",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5 20 20",
  settings: "M4 7h7M17 7h3M11 7a3 3 0 0 0 6 0 3 3 0 0 0-6 0M4 17h3M13 17h7M7 17a3 3 0 0 0 6 0 3 3 0 0 0-6 0",
  spectrum: "M4 20V14M8 20V8M12 20V4M16 20v-9M20 20v-4",
  stop: "M7 7h10v10H7Z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.8v1.7M12 19.5v1.7M2.8 12h1.7M19.5 12h1.7M5.5 5.5l1.2 1.2M17.3 17.3l1.2 1.2M18.5 5.5l-1.2 1.2M6.7 17.3l-1.2 1.2",
  train: "M4 6h16M4 12h16M4 18h16M8 3v18M16 3v18",
  trash: "M4.5 6.5h15M9.5 6.5V4h5v2.5M6.5 6.5l1 13.5h9l1-13.5M10.5 10.5v6M13.5 10.5v6",
  upload: "M12 20V9M7 13l5-5 5 5M5 4h14",
};
const FILLED = new Set(["play", "stop"]);

/**
 * A picture that only goes along with a text, so it is hidden from screen readers.
 * @param {{name: keyof PATHS, filled?: boolean, class?: string}} props
 */
export function Icon({ name, filled = FILLED.has(name), class: extra }) {
  return html`<svg
    class=${classes("icon", filled && "icon-filled", extra)}
    viewBox="0 0 24 24"
    aria-hidden="true"
  >
    <path d=${PATHS[name] ?? PATHS.info} />
  </svg>`;
}
