// The form's fields, from the server's own description of its inputs: what is new there appears
// by itself, under "More settings". What is known has friendlier words and a fitting control.
import { api } from "../api.js";
import { signal } from "../ui/html.js";
import { sentence } from "../ui/format.js";

/**
 * @typedef {{
 *   name: string, control: "text"|"number"|"switch"|"select"|"slider"|"file", label: string,
 *   help: string, main?: boolean, options?: {value: string, label: string}[], min?: number,
 *   max?: number, step?: number, unit?: string, initial: any, shown?: (value: number) => string,
 * }} FormField
 */

/** The fields in their order; null until they are known. @type {{value: FormField[]|null}} */
export const fields = signal(null);

/** Inputs that have a place of their own in the form, beside the recording's waveform. */
export const OF_RECORDING = ["input_audio", "continuation", "continuation_start", "continuation_end"];
/** Inputs that the form asks for elsewhere. */
const ELSEWHERE = new Set(["prompt", "duration", "model", ...OF_RECORDING]);

const times = (value) => `${value}`.replace(/\.0$/, "");

const KNOWN = {
  input_audio: { label: "From a recording" },
  continuation: { label: "Continued" },
  continuation_start: { label: "Continued from, s" },
  continuation_end: { label: "Continued to, s" },
  count: {
    label: "How many takes?", main: true, control: "slider", max: 8,
    help: "Different pieces from the same words.",
  },
  seed: {
    label: "Seed",
    help: "The same seed, words and model give the same music again. Leave it empty for a random one.",
  },
  temperature: {
    label: "Boldness", control: "slider", min: 0, max: 2, step: 0.05, shown: times,
    help: "Low values play it safe and repeat; high values take risks. 1 suits most music.",
  },
  classifier_free_guidance: {
    label: "How closely to follow your words", control: "slider", min: 1, max: 10, step: 0.5, shown: times,
    help: "Low values leave the music free; high values hold it to your words and the melody.",
  },
  top_k: {
    label: "Sounds to choose from",
    help: "The next sound is picked from this many of the likeliest ones. Fewer is tidier; "
      + "0 uses only the share below.",
  },
  top_p: {
    label: "Share of likely sounds", control: "slider", min: 0, max: 1, step: 0.05, shown: times,
    help: "Pick instead from the likeliest sounds that together reach this share. 0 turns it off.",
  },
  normalization_strategy: {
    label: "Loudness",
    help: "How loud the finished piece is.",
    names: {
      loudness: "Even loudness, as on streaming services (-14 LUFS)",
      peak: "As loud as its loudest moment allows (-1 dBFS)",
      rms: "Even average level (-18 dBFS)",
      clip: "Unchanged; only clip what is too loud",
    },
  },
  output_format: {
    label: "File format", help: "You can download every piece in the other formats, too.",
    names: { wav: "WAV", mp3: "MP3", flac: "FLAC", ogg: "Ogg Vorbis" },
  },
  multi_band_diffusion: {
    label: "Refine the sound",
    help: "A second pass that makes the sound cleaner and takes much longer. Not for nano.",
  },
  melody_audio: {
    label: "A second recording, for the melody",
    help: "Your first recording is continued to the melody of this one.",
  },
  melody_stems: {
    label: "Take the melody from",
    help: "The part of the recording that the melody is taken from.",
    names: {
      none: "Everything", harmonic: "Everything but the drums",
      demucs: "Voice and lead only (needs Demucs installed)",
    },
  },
  replicate_weights: {
    label: "External weights",
    help: "The URL of a fine-tuned model’s weights. Models you trained here are in the model list.",
  },
};

/** Reads what the server takes, once. */
export async function loadFields() {
  if (fields.value) return;
  const document = await api.get("/openapi.json");
  fields.value = fieldsOf(document);
}

/**
 * @param {any} document OpenAPI
 * @returns {FormField[]}
 */
export function fieldsOf(document) {
  const schemas = document.components.schemas;
  return Object.entries(schemas.Input.properties)
    .sort(([, one], [, other]) => (one["x-order"] ?? 0) - (other["x-order"] ?? 0))
    .map(([name, property]) => field(name, resolved(property, schemas)));
}

/** Fields that the form shows one by one. @param {boolean} main those that are never folded away */
export function shownFields(main) {
  return (fields.value ?? []).filter((one) => !ELSEWHERE.has(one.name) && Boolean(one.main) === main);
}

/** What an input is called. @param {string} name */
export function labelOf(name) {
  return KNOWN[name]?.label ?? sentence(name.replaceAll("_", " "));
}

function resolved(property, schemas) {
  const [reference] = (property.allOf ?? [property]).map((part) => part.$ref).filter(Boolean);
  return reference ? { ...schemas[reference.split("/").pop()], ...property } : property;
}

function field(name, property) {
  const known = KNOWN[name] ?? {};
  const made = {
    name,
    control: controlOf(property),
    label: sentence(property.title?.toLowerCase() || name.replaceAll("_", " ")),
    help: property.description ?? "",
    min: property.minimum,
    max: property.maximum,
    step: property.type === "integer" ? 1 : undefined,
    initial: property.default ?? null,
    ...known,
  };
  if (property.enum) {
    made.options = property.enum.map((value) => ({ value, label: known.names?.[value] ?? sentence(value) }));
  }
  return made;
}

function controlOf(property) {
  if (property.enum) return "select";
  if (property.format === "uri") return "file";
  return { boolean: "switch", integer: "number", number: "number" }[property.type] ?? "text";
}
