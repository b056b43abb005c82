// The form: words first, then the little that one usually sets, and the rest folded away.
import { Button } from "../ui/button.js";
import { DropZone } from "../ui/dropzone.js";
import { Problem } from "../ui/empty.js";
import { NumberField, Select, Slider, Switch, TextArea, TextField } from "../ui/field.js";
import { clock, message, span } from "../ui/format.js";
import { html, useRef, useSignal } from "../ui/html.js";
import { Icon } from "../ui/icon.js";
import { useRecovery } from "../ui/recovery.js";
import { toastError } from "../ui/toast.js";
import { create } from "./jobs.js";
import { OF_RECORDING, shownFields } from "./schema.js";
import { uploadRecording } from "./upload.js";
import { Source, cutPart } from "./source.js";
import {
  LENGTHS, calledModel, chosenModel, clipSeconds, faults, length, model, modelFacts, models,
  recording, request, set, values,
} from "./state.js";

const EXAMPLES = {
  "Bossa nova": "happy bossa nova, flute melody, acoustic guitar chords, upright bass, drums, A major",
  "Lo-fi": "lo-fi, vibraphone melody, electric piano chords, upright bass, drums, 75 bpm",
  Funk: "funk, trumpet melody, electric piano, bass guitar, drum kit, E dorian",
  Ambient: "ambient, flute melody, synth pad chords, A lydian, no drums",
  Swing: "swing jazz, saxophone melody, piano chords, upright bass, drums, 150 bpm",
  "Felt piano": "ballad, warm felt piano, slow, C major, no drums",
};

/** Asks for a piece; all that it holds is in state.js. */
export function Form() {
  const sending = useSignal(false);
  const problem = useSignal(null);
  useRecovery(problem.value, () => { problem.value = null; });
  const element = useRef(null);
  const submit = async (event) => {
    event?.preventDefault();
    problem.value = null;
    faults.value = {};
    if (!(values.value.prompt ?? "").trim() && !recording.value) {
      faults.value = { prompt: "Describe the music, or start from a recording." };
      return element.current.querySelector("textarea").focus();
    }
    sending.value = true;
    try {
      await cutPart();
      await create(request.value);
      reveal();
    } catch (error) {
      tell(error, problem);
      requestAnimationFrame(() => element.current?.querySelector('[aria-invalid="true"]')?.focus());
    } finally {
      sending.value = false;
    }
  };
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  };
  return html`<form
    class="create-form card" ref=${element} novalidate aria-label="New music"
    onSubmit=${submit} onKeyDown=${keys}
  >
    <div class="stack">
      <${TextArea}
        label="Describe the music" rows=${3} maxlength="2000" value=${values.value.prompt}
        placeholder="Style, instruments, mood, tempo, key" error=${faults.value.prompt}
        onChange=${(text) => set("prompt", text)}
      />
      <${Examples} />
    </div>
    <${Source} />
    <${Length} />
    <${Model} />
    ${shownFields(true).map((field) => html`<${Control} key=${field.name} field=${field} />`)}
    <${More} />
    ${problem.value && html`<${Problem} title=${problemTitle(problem.value)}>
      ${problem.value.status === 0 ? "songloom is not responding. Press Create again when it is back." : problem.value.detail ?? problem.value.message}
    <//>`}
    <div class="create-go">
      <button
        type="submit" class="button button-primary" title="Shortcut: Ctrl + Enter"
        disabled=${sending.value} aria-busy=${sending.value}
      >
        <${Icon} name="create" /><span>${sending.value ? "Sending…" : "Create"}</span>
      </button>
    </div>
  </form>`;
}

/** Puts what the server found wrong beside the inputs, and the rest below them. */
function tell(error, problem) {
  const found = {};
  for (const { field, description } of error.fields ?? []) {
    const name = field.split(".").pop();
    // It stands below its own label, so the input's name in the API would only puzzle.
    found[name] = message(description.replace(`${name} is `, "This is "));
  }
  const placed = new Set(["version", "model", "prompt", "duration", ...OF_RECORDING]);
  for (const field of [...shownFields(true), ...shownFields(false)]) placed.add(field.name);
  const elsewhere = Object.entries(found).filter(([name]) => !placed.has(name));
  faults.value = Object.fromEntries(Object.entries(found).filter(([name]) => placed.has(name)));
  if (elsewhere.length || !Object.keys(found).length) problem.value = error;
}

function problemTitle({ status }) {
  if (status === 0) return "Your request was not sent";
  return status >= 400 && status < 500 ? "This can’t be created as it is" : "Something went wrong";
}

/** On a narrow screen the results are below the form. */
function reveal() {
  const results = document.getElementById("results");
  const below = results?.getBoundingClientRect().top > innerHeight * 0.7;
  if (below) results.scrollIntoView({ behavior: "smooth" });
}

function Examples() {
  return html`<div class="chips" role="group" aria-label="Example descriptions">
    ${Object.entries(EXAMPLES).map(([label, prompt]) => html`<button
      key=${label} type="button" class="chip" title=${prompt} onClick=${() => set("prompt", prompt)}
    >${label}</button>`)}
  </div>`;
}

function Length() {
  const far = (i) => Math.abs(LENGTHS[i] - length.value);
  const nearest = LENGTHS.reduce((best, _, i) => (far(i) < far(best) ? i : best), 0);
  const clip = clipSeconds();
  const words = (i) => {
    const total = LENGTHS[i];
    return total < 60 ? `${total} seconds` : `${clock(total)} minutes`;
  };
  const made = Math.max(0, length.value - clip).toFixed(1);
  const limit = modelFacts.value?.repeats_after_seconds;
  const help = [
    clip && `${clip.toFixed(1)} s of your recording, then ${made} s of new music.`,
    limit && length.value - clip > limit && `Beyond about ${span(limit)}, this model tends to repeat itself.`,
  ].filter(Boolean).join(" ") || undefined;
  return html`<${Slider}
    label=${clip ? "Total length" : "Length"} min=${0} max=${LENGTHS.length - 1}
    value=${nearest} shown=${words} help=${help} error=${faults.value.duration}
    onChange=${(i) => set("duration", LENGTHS[i])}
  />`;
}

function Model() {
  const names = models.value.length ? models.value : [chosenModel.value];
  const more = html`You can <a href="#/settings">download larger models</a> or <a href="#/train">train your own</a>.`;
  return html`<${Select}
    label="Model" value=${chosenModel.value} onChange=${(name) => { model.value = name; }}
    options=${names.map((name) => ({ value: name, label: calledModel(name) }))}
    error=${faults.value.version ?? faults.value.model}
    help=${names.length > 1 ? told(modelFacts.value) : html`nano is included with songloom. ${more}`}
  />`;
}

/** What a model is good for, and what its music may not be used for. */
function told(model) {
  if (!model) return undefined;
  const ruled = ` Its licence (${model.licence}) does not allow commercial use.`;
  return model.description + (model.non_commercial ? ruled : "");
}

function More() {
  const continued = recording.value?.mode === "continue";
  const fields = shownFields(false).filter((field) => continued || field.name !== "melody_audio");
  const reset = () => { for (const field of fields) set(field.name, null); };
  const wrong = fields.some((field) => faults.value[field.name]);
  const changed = fields.filter((field) => field.name in values.value).length;
  return html`<details class="more" open=${wrong || undefined}>
    <summary>
      <${Icon} name="down" /><span>More settings</span>${changed > 0 && html`<i>${changed} changed</i>`}
    </summary>
    <div class="more-inside">
      ${fields.map((field) => html`<${Control} key=${field.name} field=${field} />`)}
      ${changed > 0 && html`<${Button} small icon="restore" onClick=${reset}>Reset to defaults<//>`}
    </div>
  </details>`;
}

/** An input by what the server says of it. @param {{field: import("./schema.js").FormField}} props */
function Control({ field }) {
  const value = values.value[field.name] ?? field.initial;
  const shared = {
    label: field.label, help: field.help, error: faults.value[field.name], value,
    onChange: (next) => set(field.name, next === field.initial ? null : next),
  };
  if (field.control === "switch") return html`<${Switch} ...${shared} />`;
  if (field.control === "select") return html`<${Select} ...${shared} options=${field.options} />`;
  if (field.control === "file") return html`<${FileControl} field=${field} />`;
  if (field.control === "number") {
    const { min, max, step = "any" } = field;
    return html`<${NumberField} ...${{ ...shared, min, max, step }} />`;
  }
  if (field.control === "slider") {
    const { min = 0, max = 1, step = 1, shown } = field;
    return html`<${Slider} ...${{ ...shared, min, max, step, shown }} />`;
  }
  return html`<${TextField} ...${shared} />`;
}

function FileControl({ field }) {
  const name = useSignal("");
  const sending = useSignal(false);
  const take = async ([{ file }]) => {
    sending.value = true;
    try {
      set(field.name, (await uploadRecording(file)).url);
      name.value = file.name;
    } catch (error) {
      toastError(error);
    } finally {
      sending.value = false;
    }
  };
  const held = values.value[field.name];
  const label = sending.value ? "Sending" : held ? `Replace ${name.value || "the file"}` : "Choose a file";
  return html`<div class="field">
    <span class="field-head">${field.label}</span>
    <${DropZone} compact label=${label} help=${field.help} accept="audio/*" onFiles=${take}>
      ${held && html`<${Button} small kind="quiet" icon="close" onClick=${() => set(field.name, null)}>Remove<//>`}
    <//>
    ${faults.value[field.name] && html`<p class="field-error">${faults.value[field.name]}</p>`}
  </div>`;
}

