// The shell: navigation, the views, and what can appear over each of them.
import { api, online, tokenAsked } from "./api.js";
import { route } from "./router.js";
import { Button } from "./ui/button.js";
import { Comparison } from "./ui/compare.js";
import { Dialog, Questions } from "./ui/dialog.js";
import { Problem } from "./ui/empty.js";
import { TextField } from "./ui/field.js";
import { html, render, signal, useEffect, useErrorBoundary, useRef, useState } from "./ui/html.js";
import { Icon } from "./ui/icon.js";
import { Loading } from "./ui/progress.js";
import { ThemeSwitch } from "./ui/theme.js";
import { Toasts } from "./ui/toast.js";

const VIEWS = {
  create: { label: "Create", icon: "create", load: () => import("./create/view.js") },
  train: { label: "Train", icon: "train", load: () => import("./train/view.js") },
  library: { label: "Library", icon: "library", load: () => import("./library/view.js") },
  settings: { label: "Settings", icon: "settings", load: () => import("./settings/view.js") },
};
const UNKNOWN_TOKEN = "The token saved in this browser is not valid here.";

const loaded = signal({});
const failed = signal({});

async function load(name) {
  if (loaded.value[name]) return;
  failed.value = { ...failed.value, [name]: null };
  try {
    const [module] = await Promise.all([VIEWS[name].load(), loadStyle(name)]);
    loaded.value = { ...loaded.value, [name]: module.default };
  } catch (error) {
    failed.value = { ...failed.value, [name]: error };
    await api.check();  // a module that can't be fetched does not say why
  }
}

/** A view's own rules, fetched with it; a view without any is no fault. */
function loadStyle(name) {
  return new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(`${name}/${name}.css`, import.meta.url).href;
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}

function App() {
  const { view } = route.value;
  const name = VIEWS[view].label;
  useEffect(() => {
    document.title = `${name} · songloom`;
    load(view);
  }, [view]);
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${Navigation} current=${view} />
    <main id="main" tabindex="-1">
      ${!online.value && html`<${Offline} />`}
      <${Shown} key=${view} name=${view} />
      <${Comparison} />
    </main>
    <${TokenDialog} />
    <${Questions} />
    <${Toasts} />
  `;
}

function skip(event) {
  event.preventDefault();  // the address must stay a view's
  document.getElementById("main").focus();
}

function Navigation({ current }) {
  return html`<nav class="nav" aria-label="Main">
    <a class="brand" href="#/create" aria-label="songloom, start page">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="9" /><path d="M6 13v6M11 8.5v15M16 11.5v9M21 6.5v19M26 13.5v5" />
      </svg>
      <span>songloom</span>
    </a>
    <ul>
      ${Object.entries(VIEWS).map(([name, { label, icon }]) => html`<li key=${name}>
        <a href=${`#/${name}`} aria-current=${name === current ? "page" : undefined}>
          <${Icon} name=${icon} /><span>${label}</span>
        </a>
      </li>`)}
    </ul>
    <${ThemeSwitch} />
  </nav>`;
}

function Shown({ name }) {
  const [broken, again] = useErrorBoundary((error) => console.error(error));
  const fault = failed.value[name];
  const wasOffline = useRef(false);
  useEffect(() => {
    if (fault && online.value && wasOffline.current) load(name);
    wasOffline.current = !online.value;
  }, [fault, online.value]);
  if (fault && !online.value) return html`<div class="view"><${Loading} label="Waiting for songloom" /></div>`;
  if (broken || fault) {
    // Some browsers remember that a module could not be fetched, until the page is loaded anew.
    const retry = fault ? () => location.reload() : again;
    return html`<div class="view"><${Problem}
      title="This part of the page could not be shown"
      action=${html`<${Button} icon="again" onClick=${retry}>${fault ? "Reload the page" : "Try again"}<//>`}
    >${fault ? "Reload the page to try again." : "Try again. If it keeps happening, reload the page."}<//></div>`;
  }
  const View = loaded.value[name];
  if (!View) return html`<div class="view"><${Loading} /></div>`;
  return html`<${View} route=${route.value} />`;
}

function Offline() {
  return html`<div class="banner" role="alert">
    <${Icon} name="alert" />
    <p><strong>songloom is not responding.</strong> Start it again with <code>songloom serve</code>;
    this page will reconnect by itself.</p>
  </div>`;
}

function TokenDialog() {
  const [text, setText] = useState("");
  const answer = tokenAsked.value;
  const end = (given) => {
    setText("");
    answer?.(given);
  };
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) end(text.trim());
  };
  return html`<${Dialog} open=${answer !== null} onClose=${() => end(null)} title="This server asks for a token">
    <form onSubmit=${submit}>
      <p>${api.token() ? UNKNOWN_TOKEN : "It is saved in this browser only."}</p>
      <${TextField}
        label="Token" type="password" autocomplete="off" autofocus value=${text} onChange=${setText}
        help=${html`The person running the server can create one with <code>songloom tokens create NAME</code>.`}
      />
      <div class="dialog-actions">
        <button class="button button-primary" disabled=${!text.trim()}><span>Continue</span></button>
      </div>
    </form>
  <//>`;
}

// A file that misses its place must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

render(html`<${App} />`, document.getElementById("app"));
