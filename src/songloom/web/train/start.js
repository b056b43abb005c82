// The last step before a training: its name, the model, how thorough, and what that takes.

import { html, useEffect, useSignal } from "../ui/html.js";
import { Button } from "../ui/button.js";
import { Problem } from "../ui/empty.js";
import { Select, Slider, TextField } from "../ui/field.js";
import { plural } from "../ui/format.js";
import { Advanced } from "./advanced.js";
import { startTraining } from "./begin.js";
import { useModels } from "./models.js";
import { inputsOf, useDraft, useEstimate } from "./start_state.js";
import { span } from "./words.js";

const EFFORTS = ["quick", "normal", "thorough"];
const EFFORT_TEXT = {
  quick: "A first impression. Good for trying out songs and descriptions.",
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
    name: null, model: "", effort: "normal", phrase: "", advanced: {},
  });
  const { model, effort, phrase, advanced } = form.value;
  const name = form.value.name ?? collection.about.value.name;
  const set = (changes) => { form.value = { ...form.value, ...changes }; };
  const songs = collection.songs().filter((song) => song.status !== "failed");
  const chosen = choices.find((choice) => choice.name === model) ?? choices[0];
  useEffect(() => { collection.model.value = chosen?.name ?? ""; }, [chosen?.name]);
  const tries = useSignal(0);
  const estimate = useEstimate({
    dataset: collection.id,
    model: songs.length ? chosen?.name : undefined,
    effort,
    seconds: songs.reduce((total, song) => total + (song.seconds ?? 0), songs.length),
    tries: tries.value,
  });
  const starting = useSignal(false);
  const problem = useSignal(null);
  const silent = songs.filter((song) => !song.caption).length;

  const start = async (event) => {
    event.preventDefault();
    starting.value = true;
    problem.value = null;
    try {
      await collection.flush();
      const training = await startTraining({
        dataset: collection.about.value.urls.get,
        name,
        model: chosen.name,
        input: inputsOf(estimate.value.answer.inputs, phrase, advanced),
      });
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
      <${TextField} label="Name of the model" value=${name} maxlength="60" required
        onChange=${(value) => set({ name: value })} />
      <${Select}
        label="Model to train" value=${chosen?.name} onChange=${(value) => set({ model: value })}
        options=${choices.map((choice) => ({ value: choice.name, label: choice.label }))}
        help=${html`${chosen?.about} <a href="#/settings/models">More models</a>`} error=${modelsError}
      />
      ${chosen?.nonCommercial && html`<p class="notice">
        Its licence (${chosen.licence}) allows no commercial use. That goes for the model you train from it, and for
        the music that makes.
      </p>`}
      <${Slider}
        label="How thorough?" min=${0} max=${2} step=${1} value=${EFFORTS.indexOf(effort)}
        shown=${(value) => ["Quick", "Normal", "Thorough"][value]} help=${EFFORT_TEXT[effort]}
        onChange=${(value) => set({ effort: EFFORTS[value] })}
      />
      <${Estimate} estimate=${estimate.value} changed=${Object.keys(advanced).length > 0}
        onAgain=${() => { tries.value += 1; }} />
      ${silent > 0 && songs.length > 0 && html`<${TextField}
        label=${`A description for ${silent === songs.length ? "all songs" : `the ${plural(silent, "song")} without one`}`}
        help="Optional. Describe what they have in common, in the words you would use to ask for it."
        value=${phrase} onChange=${(value) => set({ phrase: value })}
      />`}
      <${Advanced}
        values=${advanced} suggested=${estimate.value?.answer?.inputs ?? {}}
        onChange=${(values) => set({ advanced: values })}
      />
      ${problem.value && html`<${Problem} title="The training could not start">
        ${problem.value.detail || problem.value.message}
      <//>`}
      <div class="start-action">
        <p role="status">${blocked ? html`<span class="muted">${blocked}</span>` : html`<${Time} ...${estimate.value.answer} />`}</p>
        <${Button} kind="primary" type="submit" busy=${starting.value} disabled=${Boolean(blocked)}>Start training<//>
      </div>
    </form>
  `;
}

function Time({ seconds_low, seconds_high }) {
  return html`<strong>Takes ${span(seconds_low, seconds_high)}</strong>, including preparation and comparison.`;
}

function Estimate({ estimate, changed, onAgain }) {
  if (!estimate) return null;
  const { answer, error } = estimate;
  if (error) {
    return html`<${Problem}
      title="The training time can’t be estimated"
      action=${html`<${Button} small icon="again" onClick=${onAgain}>Try again<//>`}
    >${error}<//>`;
  }
  if (!answer) return null;
  const gigabytes = (size) => `${size < 10 ? size.toFixed(1) : Math.round(size)} GB`;
  return html`
    <div class="estimate">
      <p class=${answer.fits ? "muted" : "danger"}>
        Needs ${gigabytes(answer.memory_gb)} of memory; ${gigabytes(answer.free_gb)} is free.
        ${!answer.fits && " That is not enough: choose a smaller model, or close other programs."}
      </p>
      <p class="muted">
        This estimate is based on ${answer.basis}${changed && "; your advanced settings may change it"}.
      </p>
    </div>
  `;
}

/** Why it cannot start yet; empty when it can. */
function blockedBy({ songs, uploading, name, chosen, estimate }) {
  if (uploading) return "You can start when all songs have been uploaded.";
  if (!songs.length) return "Add at least one song first.";
  if (!name.trim()) return "Enter a name first.";
  if (!chosen) return "There is no model to train on yet.";
  if (estimate?.error) return "You can start once the time has been estimated.";
  if (!estimate?.answer) return "Estimating how long it takes…";
  return "";
}
