// One song of a collection: its sound, and what is said about it, to be edited in place.

import { html, useRef } from "../ui/html.js";
import { IconButton, Button } from "../ui/button.js";
import { Field } from "../ui/field.js";
import { clock } from "../ui/format.js";
import { title } from "./collection.js";
import { SongWave } from "./wave.js";

const TONICS = ["C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "A#", "Bb", "B"];
const KEYS = ["major", "minor"].flatMap((mode) => TONICS.map((tonic) => `${tonic} ${mode}`));
const WORDS = [
  ["genre", "Genre", "waltz, folk"],
  ["mood", "Mood", "calm, dreamy"],
  ["instruments", "Instruments", "celesta, strings"],
];

/**
 * A song in the list.
 * @param {{collection: import("./collection.js").Collection, id: string}} props
 */
export function Song({ collection, id }) {
  const { song, saving, error, undoable } = collection.rows.get(id).value;
  const name = title(song.file);
  // What is typed in one visit to a field is undone at once.
  const visit = useRef(0);
  const edit = (changes) => collection.edit(id, changes, `${Object.keys(changes)} ${visit.current}`);
  const folder = song.file.includes("/") ? `${song.file.slice(0, song.file.lastIndexOf("/"))} · ` : "";
  return html`
    <li class="song" aria-label=${name} onFocusIn=${() => (visit.current += 1)}>
      <div class="song-head">
        <div class="song-name">
          <h3>${name}</h3>
          <p class="muted">${folder}${song.seconds == null ? "" : clock(song.seconds)}<${State} song=${song} /></p>
        </div>
        <${Saving} saving=${saving} error=${error} onAgain=${() => collection.save(id)} />
        ${undoable && html`<${Button} kind="quiet" small icon="restore" onClick=${() => collection.undo(id)}>
          Undo<span class="unseen"> the last change to ${name}</span>
        <//>`}
        <${IconButton} icon="trash" label=${`Remove ${name}`} onClick=${() => collection.remove(id)} />
      </div>
      ${song.status === "failed"
        ? html`<p class="song-error" role="alert">${song.error || "It could not be read."} It is left out of trainings.</p>`
        : html`
          <${SongWave} song=${song} label=${name} />
          <${Words} song=${song} edit=${edit} />
        `}
    </li>
  `;
}

function Words({ song, edit }) {
  const { labels } = song;
  const typing = useTyping(song.caption ?? "");
  return html`
    <div class="song-words">
      <${Field} label="Description" class="song-caption">
        ${(ties) => html`<textarea
          class="input" rows="2" placeholder="How would you ask for music like this?" ...${ties}
          ...${typing((text) => edit({ caption: text.trim() ? text : null }))}
        ></textarea>`}
      <//>
      <${Field} label="Tempo" class="song-bpm">
        ${(ties) => html`<div class="input-unit">
          <input
            class="input" type="number" inputmode="decimal" min="20" max="400" step="any" ...${ties}
            value=${labels.bpm == null ? "" : Math.round(labels.bpm * 10) / 10}
            onChange=${(event) => edit({ bpm: event.currentTarget.value === "" ? null : event.currentTarget.valueAsNumber })}
          />
          <span aria-hidden="true">bpm</span>
        </div>`}
      <//>
      <${Field} label="Key" class="song-key">
        ${(ties) => html`<select
          class="input select" value=${labels.key ?? ""} ...${ties}
          onChange=${(event) => edit({ key: event.currentTarget.value || null })}
        >
          <option value="">not known</option>
          ${(KEYS.includes(labels.key) || !labels.key ? KEYS : [labels.key, ...KEYS]).map(
            (key) => html`<option key=${key} value=${key} selected=${key === labels.key}>${key.replace("#", "♯").replace(/b /, "♭ ")}</option>`,
          )}
        </select>`}
      <//>
      ${WORDS.map(([name, label, example]) => html`
        <${WordsField} key=${name} label=${label} example=${example} words=${labels[name]} onChange=${(words) => edit({ [name]: words })} />
      `)}
    </div>
  `;
}

/** Several words with commas between. */
function WordsField({ label, example, words = [], onChange }) {
  const typing = useTyping(words.join(", "));
  const asRead = (text) => text.split(/[,;]/).map((word) => word.trim()).filter(Boolean);
  return html`
    <${Field} label=${label}>
      ${(ties) => html`<input
        class="input" type="text" autocomplete="off" placeholder=${example} ...${ties}
        ...${typing((text) => onChange(asRead(text)))}
      />`}
    <//>
  `;
}

/**
 * Keeps what is being typed as it is typed: what is saved may come back tidied, under one's fingers.
 * @param {string} value  as it is saved
 * @returns {(onText: (text: string) => void) => object} attributes for the input
 */
function useTyping(value) {
  const typed = useRef(null);
  return (onText) => ({
    value: typed.current ?? value,
    onInput: (event) => {
      typed.current = event.currentTarget.value;
      onText(typed.current);
    },
    onBlur: () => {
      typed.current = null;
    },
  });
}

function State({ song }) {
  if (song.status === "waiting") return html`<span class="song-state"> · waiting to be listened to</span>`;
  if (song.status === "analysing") return html`<span class="song-state"> · listening for tempo and key</span>`;
  return null;
}

function Saving({ saving, error, onAgain }) {
  return html`
    <p class="song-saving" role="status">
      ${saving === "saving" ? "Saving" : saving === "saved" ? "Saved" : ""}
      ${saving === "failed" && html`<span class="danger">Not saved: ${error}</span>
        <${Button} kind="quiet" small onClick=${onAgain}>Try again<//>`}
    </p>
  `;
}
