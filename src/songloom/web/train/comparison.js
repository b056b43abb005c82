// What a training achieved: to be heard side by side, and said in plain words.

import { html } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { compare, letterOf } from "../ui/compare.js";
import { Player } from "../ui/player.js";
import { createWith, outcome } from "./words.js";

/**
 * @param {{run: import("./run.js").Run, training: object}} props
 */
export function Comparison({ run, training }) {
  const comparison = run.comparison.value;
  const { tone, text } = outcome(comparison ?? {});
  const copies = comparison?.memorisation;
  const songs = comparison?.songs ?? [];
  return html`
    <section class="card outcome" aria-labelledby="outcome-title">
      <h2 id="outcome-title">Your model is ready</h2>
      ${comparison && html`
        <${Finding} tone=${tone}>${text}<//>
        ${copies && html`<${Finding} tone=${copies.verdict === "clear" ? "good" : "warning"}>${copies.finding}<//>`}
        ${measured(comparison).length > 0 && html`<details class="figures">
          <summary>What was measured</summary>
          ${measured(comparison).map((line) => html`<p class="muted" key=${line}>${line}</p>`)}
        </details>`}
      `}
      <div class="row">
        <${Button} kind="primary" icon="create" href=${createWith(training)}>Use this model<//>
        ${comparison?.report && html`<${Button}
          icon="external" href=${api.url(comparison.report)} target="_blank" rel="noopener"
        >Open the report<span class="unseen"> in a new tab</span><//>`}
      </div>
    </section>
    ${comparison?.clips.length > 0 && html`
      <section class="card" aria-labelledby="compare-title">
        <h2 id="compare-title">Before and after</h2>
        <p class="muted">The same description and seed, before and after training.</p>
        <ol class="pairs">
          ${comparison.clips.map(({ prompt, before, after }, i) => html`
            <li key=${prompt}>
              <h3>“${prompt}”</h3>
              <div class="pair">
                <${Clip} when="Before" prompt=${prompt} src=${before} />
                <${Clip} when="After" prompt=${prompt} src=${after} />
                ${songs[i] && html`<${Clip} when="Your song" prompt=${songs[i].title} src=${songs[i].original} />`}
              </div>
            </li>
          `)}
        </ol>
      </section>
    `}
    ${songs.length > 0 && html`
      <section class="card" aria-labelledby="ears-title">
        <h2 id="ears-title">Your songs through the model’s ears</h2>
        <p class="muted">This is how the model itself can reproduce a song: the best that any training could reach.</p>
        <ol class="pairs">
          ${songs.map(({ title, original, heard }) => html`
            <li key=${title}>
              <h3>${title}</h3>
              <div class="pair">
                <${Clip} when="Your song" prompt=${title} src=${original} />
                <${Clip} when="Through the model" prompt=${title} src=${heard} />
              </div>
            </li>
          `)}
        </ol>
      </section>
    `}
  `;
}

/** The sentences with figures. */
function measured({ ceiling, distances, loss }) {
  return [ceiling?.text, distances?.text, loss].filter(Boolean);
}

const ICONS = { good: "check", plain: "info", warning: "alert" };

function Finding({ tone, children }) {
  return html`<p class="finding"><${Icon} name=${ICONS[tone]} /><span>${children}</span></p>`;
}

/** A recording that can be compared with another. */
export function Clip({ when, prompt, src }) {
  const label = `${when}: ${prompt}`;
  const letter = letterOf(src);
  return html`
    <div>
      <p class="muted">${when}</p>
      <${Player} compact spectrogram loop=${false} src=${src} label=${label}>
        <${Button} small kind=${letter ? "primary" : "quiet"} pressed=${Boolean(letter)}
          onClick=${() => compare({ src, label })}
        >${letter || "A/B"}<span class="unseen"> Compare ${label}</span><//>
      <//>
    </div>
  `;
}
