// The last step before a training: its name, the model, how thorough, and what that takes.

import { html, useEffect, useRef, useSignal } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { Problem } from "../ui/empty.js";
import { Select, Slider, TextField } from "../ui/field.js";
import { plural } from "../ui/format.js";
import { Advanced } from "./advanced.js";
import { startTraining } from "./begin.js";
import { span } from "./words.js";
import { useModels } from "./models.js";

const EFFORTS = ["quick", "normal", "thorough"];
const EFFORT_TEXT = {
  quick: "A first impression. Good for trying out songs and words.",
  normal: "The right amount for most songs.",
  thorough: "Learns more detail. Worth it with many songs, or when Normal learned too little.",
};

/**
 * The form that starts a training on a collection.
 * @param {{collection: import("./collection.js").Collection, uploading: boolean}} props
 */
export function Start({ collection, uploading }) {
  const { choices, error: modelsError } = useModels();
  const [form, forget] = useDraft(collection.id, {
    name: collection.about.value.name, model: "", effort: "normal", phrase: "", advanced: {},
  });
  const { name, model, effort, phrase, advanced } = form.value;
  const set = (changes) => { form.value = { ...form.value, ...changes }; };
  const songs = collection.songs().filter((song) => song.status !== "failed");
  const chosen = choices.find((choice) => choice.name === model) ?? choices[0];
  const tries = useSignal(0);
  const estimate = useEstimate(collection.id, chosen?.name, effort, songs.length, tries.value);
  const starting = useSignal(false);
  const problem = useSignal(null);
  const silent = songs.filter((song) => !song.caption).length;

  const start = async (event) => {
    event.preventDefault();
    starting.value = true;
    problem.value = null;
    try {
      const input = { ...estimate.value?.answer?.inputs, ...(phrase.trim() && { one_same_description: phrase.trim() }), ...advanced };
      await collection.flush();
      const training = await startTraining({ dataset: collection.about.value.urls.get, name, model: chosen.name, input });
      forget();
      location.hash = `#/trainings/${training.id}`;
    } catch (error) {
      problem.value = error;
      starting.value = false;
    }
  };

  const blocked = blockedBy({ songs, uploading, name, chosen, estimate: estimate.value });
  return html`
    <form class="start card" onSubmit=${start} aria-labelledby="start-title">
      <h2 id="start-title" tabindex="-1">Train a model on these songs</h2>
      <${TextField} label="What will you call it?" value=${name} maxlength="60" required
        onChange=${(value) => set({ name: value })} />
      <${Select}
        label="Which model learns?" value=${chosen?.name} onChange=${(value) => set({ model: value })}
        options=${choices.map((choice) => ({ value: choice.name, label: choice.label }))}
        help=${html`${chosen?.about} <a href="#/settings/models">More models</a>`} error=${modelsError}
      />
      ${chosen?.nonCommercial && html`<p class="notice">
        Its licence (${chosen.licence}) allows no commercial use. That goes for the model you train from it, and for the music that makes.
      </p>`}
      <${Slider}
        label="How thorough?" min=${0} max=${2} step=${1} value=${EFFORTS.indexOf(effort)}
        shown=${(value) => ["Quick", "Normal", "Thorough"][value]} help=${EFFORT_TEXT[effort]}
        onChange=${(value) => set({ effort: EFFORTS[value] })}
      />
      <${Estimate} estimate=${estimate.value} changed=${Object.keys(advanced).length > 0}
        onAgain=${() => { tries.value += 1; }} />
      ${silent > 0 && songs.length > 0 && html`<${TextField}
        label=${silent === songs.length ? "A description for all songs" : `A description for the ${plural(silent, "song")} without one`}
        help="Optional. Say what they have in common, in the words you would ask for it with."
        value=${phrase} onChange=${(value) => set({ phrase: value })}
      />`}
      <${Advanced} values=${advanced} suggested=${estimate.value?.answer?.inputs ?? {}} onChange=${(values) => set({ advanced: values })} />
      ${problem.value && html`<${Problem} title="The training could not start">${problem.value.detail || problem.value.message}<//>`}
      <div class="start-action">
        <p role="status">${blocked ? html`<span class="muted">${blocked}</span>` : html`
          <strong>Takes ${span(estimate.value.answer.seconds_low, estimate.value.answer.seconds_high)}</strong>, preparing and comparing included.
        `}</p>
        <${Button} kind="primary" type="submit" busy=${starting.value} disabled=${Boolean(blocked)}>Start training<//>
      </div>
    </form>
  `;
}

function Estimate({ estimate, changed, onAgain }) {
  if (!estimate) return null;
  const { answer, error } = estimate;
  if (error) {
    return html`<${Problem}
      title="How long it takes cannot be worked out" action=${html`<${Button} small icon="again" onClick=${onAgain}>Try again<//>`}
    >${error}<//>`;
  }
  if (!answer) return null;
  const gigabytes = (size) => `${size < 10 ? size.toFixed(1) : Math.round(size)} GB`;
  return html`
    <div class="estimate" role="status">
      <p class=${answer.fits ? "muted" : "danger"}>
        Needs ${gigabytes(answer.memory_gb)} of memory; ${gigabytes(answer.free_gb)} are free.
        ${!answer.fits && " That is too little: choose a smaller model, or close other programs."}
      </p>
      <p class="muted">The time is reckoned from ${answer.basis}${changed ? "; your advanced settings may change it" : ""}.</p>
    </div>
  `;
}

/** Why it cannot start yet; empty when it can. */
function blockedBy({ songs, uploading, name, chosen, estimate }) {
  if (uploading) return "It can start once all songs have arrived.";
  if (!songs.length) return "Add at least one song first.";
  if (!name.trim()) return "Give it a name first.";
  if (!chosen) return "There is no model to train on yet.";
  if (estimate?.error) return "It can start once the time is worked out.";
  if (!estimate?.answer) return "Working out how long it takes.";
  return "";
}

/** What the server reckons for this model and effort; asked again when they change. */
function useEstimate(dataset, model, effort, songs, tries) {
  const estimate = useSignal(null);
  useEffect(() => {
    if (!model || !songs) {
      estimate.value = null;
      return undefined;
    }
    let stale = false;
    estimate.value = { answer: null };
    const ask = async () => {
      const query = new URLSearchParams({ model, dataset, effort });
      try {
        const answer = await api.get(`/v1/trainings/estimate?${query}`);
        if (!stale) estimate.value = { answer };
      } catch (error) {
        if (!stale) estimate.value = { error: error.detail || error.message };
      }
    };
    const timer = setTimeout(ask, 300);
    return () => { stale = true; clearTimeout(timer); };
  }, [dataset, model, effort, songs, tries]);
  return estimate;
}

/** A form's values that outlive a reload, until it is sent. */
function useDraft(id, initial) {
  const key = `songloom.train.${id}`;
  const draft = useSignal(null);
  const forgotten = useRef(false);
  if (draft.value === null) draft.value = { ...initial, ...JSON.parse(sessionStorage.getItem(key) ?? "{}") };
  useEffect(() => {
    if (!forgotten.current) sessionStorage.setItem(key, JSON.stringify(draft.value));
  }, [draft.value]);
  const forget = () => {
    forgotten.current = true;
    sessionStorage.removeItem(key);
  };
  return [draft, forget];
}
