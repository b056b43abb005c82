// Starting a training over the API.

import { api } from "../api.js";
import { cutAtWord } from "../ui/format.js";

const LONGEST = 56; // of a destination's name, which may have a number behind it

/**
 * @param {{dataset: string, name: string, model: string, input: object}} wanted  `dataset` is its
 *   URL, `name` what a person calls the result
 * @returns {Promise<{id: string}>} the training
 */
export async function startTraining({ dataset, name, model, input }) {
  const [account, base, models, library] = await Promise.all([
    api.get("/v1/account"),
    api.get("/v1/models/songloom/nano"),
    api.get("/v1/models"),
    api.get("/v1/library?kind=training&limit=500"),
  ]);
  const taken = new Set([
    ...models.results.map((known) => `${known.owner}/${known.name}`),
    ...library.results.map((training) => training.destination),
  ]);
  const training = await api.post(`/v1/models/songloom/nano/versions/${base.latest_version.id}/trainings`, {
    destination: destination(account.username, name, taken),
    input: { ...input, dataset_path: dataset, model },
  });
  // A destination is of Latin letters; the title is what was typed, and a training goes without one.
  await api.patch(`/v1/library/${training.id}`, { title: name.trim() }).catch(() => {});
  return training;
}

/** An address for the result that no other has. */
function destination(owner, name, taken) {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^A-Za-z0-9]+/g, "-").toLowerCase();
  const stem = cutAtWord(plain.replaceAll("-", " ").trim(), LONGEST).replaceAll(" ", "-") || "my-style";
  for (let number = 1; ; number += 1) {
    const found = `${owner}/${stem}${number > 1 ? `-${number}` : ""}`;
    if (!taken.has(found)) return found;
  }
}
