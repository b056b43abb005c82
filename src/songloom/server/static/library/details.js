// What a row tells when it is opened: how it was made, and where it can go from here.
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { Problem } from "../ui/empty.js";
import { clock } from "../ui/format.js";
import { html } from "../ui/html.js";
import { ended } from "./items.js";

/** @param {{item: object, onRename: () => void, onDelete: (event: Event) => void}} props */
export function Details({ item, onRename, onDelete }) {
  return html`<div class="library-details">
    ${item.error && html`<${Problem} title="It could not be made">${item.error}<//>`}
    ${item.kind === "training" ? html`<${OfTraining} item=${item} />` : html`<${OfMusic} item=${item} />`}
    ${!item.deleted_at && html`<div class="row library-narrow">
      <${Button} small icon="edit" onClick=${onRename}>Rename<//>
      <${Button} small icon="trash" onClick=${onDelete}>Delete<//>
    </div>`}
  </div>`;
}

function OfMusic({ item }) {
  return html`
    <${Settings} item=${item} />
    ${item.outputs.map((output, number) => html`<div class="row" key=${output.name}>
      ${item.outputs.length > 1 && html`<span class="muted">Take ${number + 1}</span>`}
      ${Object.entries(output.downloads).map(([format, url]) => html`<${Button}
        key=${format} small icon="download" href=${api.url(url)} download
      >${format}<//>`)}
    </div>`)}
  `;
}

function OfTraining({ item }) {
  return html`<div class="row">
    ${item.status === "succeeded" && html`<${Button}
      kind="primary" small icon="create" href=${`#/create?model=${encodeURIComponent(item.destination)}`}
    >Use it now<//>`}
    <${Button} small icon="train" href=${`#/trainings/${item.id}`}>
      ${ended(item) ? "See how it was trained" : "Watch it learn"}
    <//>
  </div>`;
}

const SAID = new Set(["prompt", "seed", "duration", "model", "replicate_weights"]);

/** What was asked for; what was left as it is by default goes without saying. */
function Settings({ item }) {
  const told = Object.entries(item.input).filter(([name, value]) => !SAID.has(name) && value !== null);
  return html`<dl class="library-settings">
    ${item.title && item.prompt && html`<div><dt>Words</dt><dd>${item.prompt}</dd></div>`}
    ${item.outputs[0]?.seconds && html`<div><dt>Length</dt><dd>${clock(item.outputs[0].seconds)}</dd></div>`}
    ${item.seed !== null && html`<div><dt>Seed</dt><dd>${item.seed}</dd></div>`}
    ${told.map(([name, value]) => html`<div key=${name}>
      <dt>${inWords(name)}</dt><dd>${shown(value)}</dd>
    </div>`)}
  </dl>`;
}

function inWords(name) {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

function shown(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = String(value);
  return /^(https?|data):/.test(text) ? "a recording" : text;
}
