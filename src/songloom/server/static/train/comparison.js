// What a training achieved: to be heard side by side, and said in plain words.

import { html } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { Player } from "../ui/player.js";
import { createWith, verdict } from "./words.js";

/**
 * @param {{run: import("./run.js").Run, training: object}} props
 */
export function Comparison({ run, training }) {
  const comparison = run.comparison.value;
  const { good, text } = verdict(comparison?.held_out_loss_before, comparison?.held_out_loss_after);
  const copies = comparison?.memorisation;
  return html`
    <section class="card outcome" aria-labelledby="outcome-title">
      <h2 id="outcome-title">Your model is ready</h2>
      ${comparison && html`
        <${Finding} good=${good}>${text}<//>
        ${copies && html`<${Finding} good=${copies.verdict === "clear"}>${copies.finding}<//>`}
      `}
      <div class="row">
        <${Button} kind="primary" icon="create" href=${createWith(training)}>Use it now<//>
        ${comparison?.report && html`<${Button}
          icon="external" href=${api.url(comparison.report)} target="_blank" rel="noopener"
        >Open the report<span class="unseen"> in a new tab</span><//>`}
      </div>
    </section>
    ${comparison?.clips.length > 0 && html`
      <section class="card" aria-labelledby="compare-title">
        <h2 id="compare-title">Before and after</h2>
        <p class="muted">From the same words and the same seed, by the model as it was and as it is now.</p>
        <ol class="pairs">
          ${comparison.clips.map(({ prompt, before, after }) => html`
            <li key=${prompt}>
              <h3>“${prompt}”</h3>
              <div class="pair">
                <${Clip} when="Before" prompt=${prompt} src=${before} />
                <${Clip} when="After" prompt=${prompt} src=${after} />
              </div>
            </li>
          `)}
        </ol>
      </section>
    `}
  `;
}

function Finding({ good, children }) {
  const icon = good === null ? "info" : good ? "check" : "alert";
  return html`<p class="finding"><${Icon} name=${icon} /><span>${children}</span></p>`;
}

function Clip({ when, prompt, src }) {
  return html`
    <div>
      <p class="muted">${when}</p>
      <${Player} compact loop=${false} src=${src} label=${`${when}: ${prompt}`} />
    </div>
  `;
}
