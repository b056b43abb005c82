// The models that can learn here: those that are on this machine.

import { signal, useEffect } from "../ui/html.js";
import { api } from "../api.js";

const checkpoints = signal(null);
const failure = signal("");

/**
 * @typedef {object} Choice
 * @property {string} name
 * @property {string} label
 * @property {string} about  for whom it is
 * @property {boolean} nonCommercial
 * @property {string} licence
 */

/**
 * What can be trained, the included model first.
 * @returns {{choices: Choice[], error: string}}
 */
export function useModels() {
  useEffect(() => {
    api.get("/v1/checkpoints").then(
      ({ results }) => { checkpoints.value = results; },
      (error) => { failure.value = `The models could not be listed: ${error.detail || error.message}`; },
    );
  }, []);
  const here = (checkpoints.value ?? []).filter((model) => (model.installed || model.included) && !model.trained);
  return { choices: here.map(asChoice), error: failure.value };
}

function asChoice(model) {
  const sound = [model.stereo && "stereo", model.melody && "follows melodies"].filter(Boolean).join(", ");
  return {
    name: model.name,
    label: [model.name, model.parameters, sound].filter(Boolean).join(" · "),
    about: model.included
      ? "Small and quick: fine for a computer without a graphics card. It knows little beyond your songs."
      : "Knows much more music than nano, and needs much more memory and time.",
    nonCommercial: model.non_commercial,
    licence: model.licence,
  };
}
