// Short pieces that a training makes on its way, so that one hears how it comes along.

import { html } from "../ui/html.js";
import { Player } from "../ui/player.js";

/**
 * @param {{clips: {step: number, prompt: string, url: string}[]}} props
 */
export function Previews({ clips }) {
  if (!clips.length) return null;
  const latestFirst = [...clips].sort((one, other) => other.step - one.step);
  return html`
    <section class="card" aria-labelledby="previews-title">
      <h2 id="previews-title">How it sounds so far</h2>
      <p class="muted">“${latestFirst[0].prompt}”</p>
      <ol class="previews">
        ${latestFirst.map(({ step, prompt, url }) => html`
          <li key=${`${step} ${prompt}`}>
            <h3>After ${step} updates</h3>
            <${Player} compact loop=${false} src=${url} label=${`After ${step} updates`} />
          </li>
        `)}
      </ol>
    </section>
  `;
}
