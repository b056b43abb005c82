// What the form that starts a training holds, and what the server reckons for it.

import { useEffect, useRef, useSignal } from "../ui/html.js";
import { api } from "../api.js";

const PAUSE = 300; // of someone who moves the slider

/**
 * A form's values, which outlive a reload until the form is sent.
 * @param {string} id
 * @param {object} initial
 * @returns {[{value: object}, () => void]} the values, and what forgets them
 */
export function useDraft(id, initial) {
  const key = `songloom.train.${id}`;
  const draft = useSignal(null);
  const sent = useRef(false);
  if (draft.value === null) draft.value = { ...initial, ...read(key) };
  useEffect(() => {
    if (!sent.current) write(key, draft.value);
  }, [draft.value]);
  const forget = () => {
    sent.current = true;
    write(key, null);
  };
  return [draft, forget];
}

/**
 * What the server reckons for a training; asked again when it would be another.
 * @param {{dataset: string, model?: string, effort: string, seconds: number, tries: number}} wanted
 *   `seconds` of music, as far as they are known; `tries` counts up to ask again
 * @returns {{value: null|{answer: object|null, error?: string}}}
 */
export function useEstimate({ dataset, model, effort, seconds, tries }) {
  const estimate = useSignal(null);
  const asked = useRef("");
  useEffect(() => {
    if (!model) return undefined;
    const query = String(new URLSearchParams({ model, dataset, effort }));
    // While songs are still listened to, the answer so far stays in place until the next.
    if (query !== asked.current || !estimate.value?.answer) estimate.value = { answer: null };
    asked.current = query;
    let stale = false;
    const ask = async () => {
      const answer = await api.get(`/v1/trainings/estimate?${query}`).then(
        (told) => ({ answer: told }),
        (error) => ({ answer: null, error: error.detail || error.message }),
      );
      if (!stale) estimate.value = answer;
    };
    const timer = setTimeout(ask, PAUSE);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [dataset, model, effort, seconds, tries]);
  return estimate;
}

/**
 * A training's inputs: what the slider stands for, and what was changed.
 * @param {object} suggested
 * @param {string} phrase  for the songs without a description
 * @param {object} changed
 */
export function inputsOf(suggested, phrase, changed) {
  const inputs = { ...suggested, ...changed };
  // A pace of learning suits one optimiser; another has its own.
  const another = changed.optimizer && changed.optimizer !== suggested.optimizer;
  if (another && changed.lr === undefined) delete inputs.lr;
  return phrase.trim() ? { ...inputs, one_same_description: phrase.trim() } : inputs;
}

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "{}");
  } catch {
    return {}; // without storage the form begins anew after a reload
  }
}

function write(key, values) {
  try {
    if (values === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify(values));
  } catch {
    // See above.
  }
}
