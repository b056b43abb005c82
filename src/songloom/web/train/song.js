// One song of a collection: its sound, and what is said about it, to be edited in place.

import { html, useRef } from "../ui/html.js";
import { IconButton, Button } from "../ui/button.js";
import { Field, Select } from "../ui/field.js";
import { clock, sentence } from "../ui/format.js";
import { title } from "./collection.js";
import { Ears } from "./ears.js";
import { focusBeside } from "./removals.js";
import { useTyping } from "./typing.js";
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
  const remove = (event) => {
    focusBeside(event.currentTarget);
    collection.remove(id);
  };
  const edit = (changes) => collection.edit(id, changes, `${Object.keys(changes)} ${visit.current}`);
  return html`
    <li class="song" aria-label=${name} onFocusIn=${() => (visit.current += 1)}>
      <div class="song-head">
        <div class="song-name">
          <h3>${name}</h3>
          <p class="muted">${about(song)}</p>
        </div>
        <${Saving} saving=${saving} error=${error} onAgain=${() => collection.save(id)} />
        ${undoable && html`<${Button} kind="quiet" small icon="restore" onClick=${() => collection.undo(id)}>
          Undo<span class="unseen"> the last change to ${name}</span>
        <//>`}
        <${IconButton} icon="trash" label=${`Remove ${name}`} onClick=${remove} />
      </div>
      ${song.status === "failed"
        ? html`<p class="song-error">${sentence(song.error || "it could not be read")}. It is left out of trainings.</p>`
        : html`
          <${SongWave} song=${song} label=${name} />
          <${Ears} collection=${collection} song=${song} name=${name} />
          <${Words} song=${song} edit=${edit} />
        `}
    </li>
  `;
}

function Words({ song, edit }) {
  const { labels } = song;
  const typing = useTyping(song.caption ?? "");
  return html`
    <${Field} label="Description">
      ${(ties) => html`<textarea
        class="input" rows="2" placeholder="How would you ask for music like this?" ...${ties}
        ...${typing((text) => edit({ caption: text.trim() ? text : null }))}
      ></textarea>`}
    <//>
    <details class="song-labels">
      <summary>${summary(labels)}</summary>
      <div class="song-words">
        <${Tempo} bpm=${labels.bpm} edit=${edit} />
        <${Key} value=${labels.key} edit=${edit} />
        ${WORDS.map(([name, label, example]) => html`
          <${WordsField} key=${name} label=${label} example=${example} words=${labels[name]}
            onChange=${(words) => edit({ [name]: words })} />
        `)}
      </div>
    </details>
  `;
}

function Tempo({ bpm, edit }) {
  const typing = useTyping(bpm == null ? "" : Math.round(bpm * 10) / 10);
  // On change, not on input: the 1 of 120 is no tempo.
  const take = ({ currentTarget: { value, valueAsNumber } }) => edit({ bpm: value === "" ? null : valueAsNumber });
  return html`
    <${Field} label="Tempo" class="song-bpm">
      ${(ties) => html`<div class="input-unit">
        <input
          class="input" type="number" inputmode="decimal" min="20" max="400" step="any" ...${ties}
          ...${typing()} onChange=${take}
        />
        <span aria-hidden="true">bpm</span>
      </div>`}
    <//>
  `;
}

function Key({ value, edit }) {
  const keys = !value || KEYS.includes(value) ? KEYS : [value, ...KEYS];
  const options = [{ value: "", label: "unknown" }, ...keys.map((key) => ({ value: key, label: pretty(key) }))];
  return html`<div class="song-key">
    <${Select} label="Key" value=${value ?? ""} options=${options} onChange=${(key) => edit({ key: key || null })} />
  </div>`;
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

/** Where it lies, how long it is, and what happens to it. */
function about({ file, seconds, status }) {
  return [
    file.split("/").slice(0, -1).join("/"),
    seconds != null && clock(seconds),
    status === "waiting" && "waiting to be analysed",
    status === "analysing" && "detecting tempo and key",
  ].filter(Boolean).join(" · ");
}

/** The labels in a line. */
function summary(labels) {
  const told = [
    labels.bpm != null && `${Math.round(labels.bpm)} bpm`,
    labels.key && pretty(labels.key),
    ...WORDS.map(([name]) => labels[name]?.join(", ")),
  ].filter(Boolean);
  return told.length ? told.join(" · ") : "Add tempo, key, genre, mood and instruments";
}

function pretty(key) {
  return key.replace("#", "♯").replace(/b /, "♭ ");
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
