// What a card offers to do with a piece; all of it ends in the form, or in a new piece.
import { api } from "../api.js";
import { go } from "../router.js";
import { clock } from "../ui/format.js";
import { compare } from "../ui/compare.js";
import { toast, toastError } from "../ui/toast.js";
import { create } from "./jobs.js";
import { labelOf } from "./schema.js";
import { fill, recording, set, setRecording, values } from "./state.js";

/** The same request with another seed. */
async function again(item) {
  const { seed: _, ...input } = item.input;
  try {
    await create({ version: item.version || item.model, input });
    toast("Another version is on its way.");
    show();
  } catch (error) {
    toastError(error);
  }
}

/** Its settings, in the form. */
function reuse(item) {
  fill(item, item.seed === null ? {} : { seed: item.seed });
  show("Its settings, including the seed, are now in the form.");
}

/** Goes on from a moment of it; from its end where none is given. */
function continueFrom(item, output, seconds) {
  start(item, output, "continue");
  const end = seconds > 1 && seconds < output.seconds - 0.25 ? Math.round(seconds * 10) / 10 : null;
  setRecording({ end });
  const from = end === null ? "the end" : clock(end, { tenths: true });
  show(`It will continue from ${from}. Choose a length, then press Create.`);
}

/** Plays its tune with other sounds. */
function useMelody(item, output) {
  start(item, output, "melody");
  show("The new music will follow its melody. Describe the sound, then press Create.");
}

function start(item, output, mode) {
  if (mode === "continue" && !values.value.prompt && item.prompt) set("prompt", item.prompt);
  recording.value = {
    name: item.title || item.prompt || output.name,
    url: output.url, src: output.url, peaks: output.peaks, seconds: output.seconds,
    mode, start: 0, end: null,
  };
}

async function favor(item) {
  return api.patch(`/v1/library/${item.id}`, { favorite: !item.favorite });
}

function show(text) {
  go("#/create");
  if (text) toast(text);
  requestAnimationFrame(() => scrollTo({ top: 0, behavior: "smooth" }));
}

/** All of them, for `Card`. */
export const cardActions = { labelOf, again, reuse, continueFrom, useMelody, compare, favor };
