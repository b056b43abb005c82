// A piece of music: what it was made from, how it sounds, and what can be done with it.
import { api } from "../api.js";
import { ended } from "../status.js";
import { Button, IconButton } from "./button.js";
import { letterOf } from "./compare.js";
import { clock, cutAtWord, message, moment, plural } from "./format.js";
import { html, useRef, useState } from "./html.js";
import { Icon } from "./icon.js";
import { LivePlayer } from "./live.js";
import { Player } from "./player.js";
import { Progress } from "./progress.js";
import { toast, toastError } from "./toast.js";

/** Inputs that are shown in the head of a card, or that would say nothing to a person. */
const TOLD = new Set(["prompt", "duration", "seed", "model"]);

/**
 * @param {{
 *   item: any, live?: {share: number, heard: number, left: number|null}, actions: object,
 *   onChange?: (item: any) => void, onCancel?: (item: any) => void, onRemove?: (item: any) => void,
 *   children?: any,
 * }} props `item` as the library's API gives it; `live` tells how far one is that runs; `actions`
 *   are those of create/actions.js; children are further buttons of the head
 */
export function Card({ item, live, actions, onChange, onCancel, onRemove, children }) {
  const [listening, setListening] = useState(false);
  const running = !ended(item);
  const name = nameOf(item);
  // Listening live goes on to the end of a piece that has just been finished.
  const growing = running || (listening && item.status === "succeeded");
  return html`<article class="piece card" aria-label=${name} data-id=${item.id} data-status=${item.status}>
    <header class="piece-head">
      <div>
        <h3 title=${name}>${name}</h3>
        <p class="piece-facts">${facts(item).map((fact) => html`<span>${fact}</span>`)}</p>
      </div>
      <div class="piece-tools">
        ${item.status === "succeeded" && html`<${Favorite} item=${item} actions=${actions} onChange=${onChange} />`}
        ${children}
        ${onRemove && !running && html`<${IconButton}
          icon="trash" label=${`Delete ${name}`} onClick=${() => onRemove(item)}
        />`}
      </div>
    </header>
    ${growing && html`<${Growing} ...${{ item, live, name, running, onCancel }} onState=${setListening} />`}
    ${item.status === "succeeded" && item.outputs.map((output, i) => html`<${Take}
      key=${output.name} ...${{ item, output, actions }}
      label=${item.outputs.length > 1 ? `${name}, take ${i + 1}` : name}
      number=${item.outputs.length > 1 ? i + 1 : 0}
    />`)}
    ${item.status === "succeeded" && !item.outputs.length && html`<p class="muted">
      The recording was removed to save space. The settings it was made with are still here.
    </p>`}
    ${item.status === "failed" && html`<div class="piece-fault">
      <${Icon} name="alert" /><p><strong>This didn’t work.</strong> ${message(item.error)}</p>
    </div>`}
    ${item.status === "canceled" && html`<p class="muted">Cancelled before it was finished.</p>`}
    ${!running && html`<footer class="piece-foot">
      <${Button} small icon="again" onClick=${() => actions.again(item)}>
        ${item.status === "succeeded" ? "Make another version" : "Try again"}
      <//>
      ${item.outputs.length === 1 && html`<${Downloads} output=${item.outputs[0]} label=${name} />`}
      <${Settings} item=${item} actions=${actions} />
    </footer>`}
  </article>`;
}

/** What a card is called: its title, or the words it was made from. @param {any} item */
export function nameOf(item) {
  if (item.title || item.prompt) return item.title || item.prompt;
  return item.input.continuation ? "A continued recording" : "A new take on a recording’s melody";
}

function facts(item) {
  const seconds = item.outputs[0]?.seconds ?? item.input.duration;
  return [
    item.model.split("/").pop(),
    seconds && clock(seconds),
    item.outputs.length > 1 && plural(item.outputs.length, "take"),
    moment(item.created_at),
  ].filter(Boolean);
}

function Favorite({ item, actions, onChange }) {
  const press = async () => {
    try {
      onChange?.(await actions.favor(item));
    } catch (error) {
      toastError(error);
    }
  };
  return html`<${IconButton}
    icon="heart" filled=${item.favorite} pressed=${item.favorite} class="piece-heart"
    label=${item.favorite ? "Remove from favourites" : "Add to favourites"} onClick=${press}
  />`;
}

function Growing({ item, live, name, running, onState, onCancel }) {
  const total = Number(item.input.duration ?? 8);
  const share = running ? (live?.share ?? 0) : 1;
  const begun = item.status === "processing" && share > 0;
  const made = `${(share * total).toFixed(1)} of ${total} seconds`;
  const left = live?.left ? ` · ${Math.max(1, Math.ceil(live.left))} s left` : "";
  const note = !running ? "Finished. You are still listening live." : begun ? made + left
    : item.status === "processing" ? "Getting ready" : "Waiting in the queue";
  return html`<div class="piece-growing">
    <${Progress} value=${running && !begun ? null : share} label=${`Progress of ${name}`} note=${note} />
    <div class="row">
      ${item.urls.audio && !item.input.multi_band_diffusion && html`<${LivePlayer}
        src=${item.urls.audio} label=${name} onState=${onState}
      />`}
      ${running && onCancel && html`<${Button}
        small kind="quiet" icon="close" onClick=${() => onCancel(item)}
      >Cancel<//>`}
    </div>
  </div>`;
}

function Take({ item, output, label, number, actions }) {
  const handle = useRef(null);
  const letter = letterOf(output.url);
  const position = () => handle.current?.media.currentTime ?? 0;
  return html`<div class="take">
    ${number > 0 && html`<div class="take-head">
      <span>Take ${number}</span><${Downloads} output=${output} label=${label} />
    </div>`}
    <${Player}
      src=${output.url} peaks=${output.peaks} seconds=${output.seconds} label=${label} spectrogram handle=${handle}
    />
    <div class="take-actions">
      <${Button}
        small kind="quiet" icon="arrow" onClick=${() => actions.continueFrom(item, output, position())}
      >Continue from here<//>
      <${Button}
        small kind="quiet" icon="melody" onClick=${() => actions.useMelody(item, output)}
      >Use as melody<//>
      <${Button}
        small kind="quiet" icon="compare" pressed=${letter !== ""}
        onClick=${() => actions.compare({ src: output.url, label })}
      >${letter ? `This is ${letter}` : "Compare A/B"}<//>
    </div>
  </div>`;
}

function Downloads({ output, label }) {
  return html`<span class="downloads" role="group" aria-label="Download">
    <${Icon} name="download" />
    ${Object.entries(output.downloads).map(([format, url]) => html`<a
      key=${format} href=${api.url(url)} download=${`${fileName(label)}.${format}`}
    >${format}</a>`)}
  </span>`;
}

/** A name that every system takes for a file. */
function fileName(label) {
  const name = label.replace(/[^\p{L}\p{M}\p{N} ,.-]+/gu, " ").replace(/ +/g, " ").trim();
  return cutAtWord(name, 80) || "songloom";
}

function Settings({ item, actions }) {
  const further = Object.entries(item.input).filter(([name]) => !TOLD.has(name));
  const copy = async () => {
    await navigator.clipboard.writeText(String(item.seed));
    toast("Seed copied.");
  };
  return html`<details class="piece-settings">
    <summary><${Icon} name="down" />Seed and settings</summary>
    <dl>
      ${item.seed !== null && html`<div><dt>Seed</dt><dd>
        ${navigator.clipboard
          ? html`<button type="button" class="copy" onClick=${copy} title="Copy the seed">${item.seed}</button>`
          : item.seed /* browsers copy only for pages of this machine or over https */}
      </dd></div>`}
      <div><dt>Model</dt><dd>${item.model}</dd></div>
      <div><dt>Length</dt><dd>${item.input.duration ?? 8} s</dd></div>
      ${further.map(([name, value]) => html`<div key=${name}>
        <dt>${actions.labelOf(name)}</dt><dd>${shown(value)}</dd>
      </div>`)}
    </dl>
    <div class="row">
      <${Button} small icon="edit" onClick=${() => actions.reuse(item)}>Use these settings<//>
    </div>
  </details>`;
}

function shown(value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  // An address says nothing to a person, and may be longer than the card.
  return /^(https?|data):/.test(value) ? "a file" : String(value);
}
