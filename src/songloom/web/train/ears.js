// A song through the ears of the model that is to learn it: what its codec makes of ten seconds.

import { html, useEffect, useSignal } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { Clip } from "./comparison.js";

/** How a grade is marked. */
const ICONS = { well: "check", roughly: "info", hardly: "alert" };

/**
 * @param {{collection: import("./collection.js").Collection, song: object, name: string}} props
 */
export function Ears({ collection, song, name }) {
  const model = collection.model.value;
  const found = useSignal(null);
  const asking = useSignal(false);
  // What another model makes of it is another thing.
  useEffect(() => { found.value = null; }, [model]);
  if (song.status !== "ready" || !model) return null;
  const listen = async () => {
    asking.value = true;
    const query = new URLSearchParams({ model });
    found.value = await api.get(`/v1/datasets/${collection.id}/songs/${song.id}/fidelity?${query}`).catch(
      (error) => ({ error: error.detail || error.message }),
    );
    asking.value = false;
  };
  const { grade, text, figures, urls, error } = found.value ?? {};
  return html`<div class="ears">
    ${!urls && html`<${Button} kind="quiet" small icon="spectrum" busy=${asking.value} onClick=${listen}>
      Hear it through ${model}<span class="unseen">: ${name}</span>
    <//>`}
    <div role="status">
      ${error && html`<p class="danger">It could not be played through ${model}: ${error}</p>`}
      ${text && html`<p class="finding"><${Icon} name=${ICONS[grade]} /><span>
        ${text} <span class="muted">${figures}.</span>
        ${grade !== "well" && html` <a href="#/settings/models">More models</a>`}
      </span></p>`}
    </div>
    ${urls && html`<div class="pair">
      <${Clip} when="Your song" prompt=${name} src=${urls.original} />
      <${Clip} when=${`Through ${model}`} prompt=${name} src=${urls.heard} />
    </div>`}
  </div>`;
}
