// What the form holds. It survives a reload, in this tab.
import { api } from "../api.js";
import { computed, effect, signal } from "../ui/html.js";

const KEY = "songloom.form";
const LONGER = 8;  // seconds of new music that a continuation gets at least, where none were asked for
/** Lengths that the slider stops at, in seconds. */
export const LENGTHS = [
  ...Array.from({ length: 29 }, (_, i) => i + 2), 35, 40, 45, 50, 55, 60, 75, 90, 105, 120, 150, 180,
];

/** Inputs by their names; only what was set. @type {{value: Record<string, any>}} */
export const values = signal({});
/** The model's name; empty for the first there is. */
export const model = signal("");
/**
 * The recording to start from: `url` is the input, `src` can be played, `mode` says what is made of
 * it, and `start` and `end` (null for its end) are seconds. `part` is the marked part as a file of
 * its own, once there is one. A `fresh` one has not been marked by anybody.
 * @type {{value: null|{name: string, url: string, src: string, peaks?: string,
 *   seconds: number|null, mode: "continue"|"melody", start: number, end: number|null,
 *   fresh?: boolean, part?: {start: number, end: number|null, url: string}}}}
 */
export const recording = signal(null);
/** What the server, or the form itself, found wrong: messages by the inputs' names. */
export const faults = signal({});
/** Names of the models that can be used at once. @type {{value: string[]}} */
export const models = signal([]);
/** What is known of models, by their names without their owners: {description, melody, ...}. */
const facts = signal({});

/** Takes a model by its name, with or without its owner. @param {string} name */
export function choose(name) {
  model.value = name.replace(/^songloom\//, "");
}

/** Sets one input; null leaves it out. @param {string} name @param {any} value */
export function set(name, value) {
  const { [name]: _, ...others } = values.value;
  values.value = value === null || value === "" ? others : { ...others, [name]: value };
  if (faults.value[name]) {
    const { [name]: __, ...rest } = faults.value;
    faults.value = rest;
  }
}

/** Changes parts of the recording. @param {object} changes */
export function setRecording(changes) {
  recording.value = { ...recording.value, ...changes };
  if (changes.mode || "end" in changes || "start" in changes) makeRoom();
}

/** A continuation's length includes what is continued, so it must be longer than that. */
function makeRoom() {
  const clip = clipSeconds();
  if (clip && length.value <= clip + 0.5) {
    set("duration", LENGTHS.find((stop) => stop >= clip + LONGER) ?? Math.ceil(clip + LONGER));
  }
}

/** Seconds of the recording that are marked; 0 where that is not known. */
export function markedSeconds() {
  const from = recording.value;
  const end = from?.end ?? from?.seconds;
  return end ? Math.max(0, end - from.start) : 0;
}

/** Seconds of the recording that are continued; 0 where nothing is. */
export function clipSeconds() {
  return recording.value?.mode === "continue" ? markedSeconds() : 0;
}

/** Whether a melody is to be read from a part that has not been cut out. */
export function needsCut() {
  const from = recording.value;
  return from?.mode === "melody" && (from.start > 0 || from.end !== null) && !partUrl();
}

/** The marked part as a file, for a melody: the API takes the ends of what is continued only. */
function partUrl() {
  const { mode, start, end, part } = recording.value;
  return mode === "melody" && part && part.start === start && part.end === end ? part.url : null;
}

/** Length of the result in seconds. */
export const length = computed(() => Number(values.value.duration ?? 8));

/** The model that is used. */
export const chosenModel = computed(() => {
  const names = models.value;
  return model.value && (names.includes(model.value) || !names.length) ? model.value : (names[0] ?? "nano");
});

/** The inputs as the API takes them. */
export const inputs = computed(() => {
  const made = { ...values.value };
  const from = recording.value;
  if (!from) return made;
  made.input_audio = partUrl() ?? from.url;
  if (from.mode === "continue") {
    made.continuation = true;
    if (from.start) made.continuation_start = from.start;
    if (from.end !== null) made.continuation_end = from.end;
  }
  return made;
});

/** The model's name as other programs ask for it: owner/name. */
export const modelTitle = computed(() => {
  const name = chosenModel.value;
  return name.includes("/") ? name : `songloom/${name}`;
});

/** What a model is called in a list. @param {string} name */
export function calledModel(name) {
  const bare = name.split("/").pop();
  return facts.value[bare]?.trained ? `${bare}, trained here` : name;
}

/** What is known of the model. */
export const modelFacts = computed(() => facts.value[chosenModel.value.split("/").pop()]);

/** The whole request, for `POST /v1/predictions`; Settings shows code for it. */
export const request = computed(() => ({ version: modelTitle.value, input: inputs.value }));

/** Fills the form with what made an item. @param {any} item of the library @param {object} [changes] */
export function fill(item, changes = {}) {
  const { input_audio, continuation, continuation_start, continuation_end, ...rest } = item.input;
  const { model: _, ...further } = rest;
  values.value = { ...further, ...changes };
  choose(item.model);
  faults.value = {};
  recording.value = input_audio
    ? {
      name: "The earlier recording", url: input_audio, src: input_audio, seconds: null,
      mode: continuation ? "continue" : "melody",
      start: Number(continuation_start ?? 0), end: continuation_end ?? null,
    }
    : null;
}

/** Whether the model can follow a melody, as far as is known. */
export const canFollow = computed(() => modelFacts.value?.melody ?? true);

/** Asks the server which models there are. */
export async function loadModels() {
  const [machine, checkpoints] = await Promise.all([api.get("/v1/machine"), api.get("/v1/checkpoints")]);
  const first = machine.model;
  facts.value = Object.fromEntries(checkpoints.results.map((one) => [one.name, one]));
  models.value = [first, ...machine.models.filter((name) => name !== first)];
}

restore();
effect(() => {
  const held = JSON.stringify({ values: values.value, model: model.value, recording: recording.value });
  try {
    sessionStorage.setItem(KEY, held);
  } catch {
    // Without storage the form is empty after a reload.
  }
});

function restore() {
  try {
    const held = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (!held) return;
    values.value = held.values ?? {};
    model.value = held.model ?? "";
    recording.value = held.recording ?? null;
  } catch {
    // What can't be read is forgotten.
  }
}
