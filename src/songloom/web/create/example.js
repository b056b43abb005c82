// What a newcomer hears first: a piece that comes with the page, made by nano from these words.
import { PEAKS, PROMPT, RMS, SECONDS } from "../examples/bossa-nova.js";
import { Button } from "../ui/button.js";
import { clock } from "../ui/format.js";
import { html } from "../ui/html.js";
import { Player } from "../ui/player.js";
import { set } from "./state.js";

const SRC = new URL("../examples/bossa-nova.mp3", import.meta.url).href;

/** The example, and a way to begin with its words. */
export function Example() {
  const use = () => {
    set("prompt", PROMPT);
    document.querySelector(".create-form textarea")?.focus();
  };
  return html`<article class="piece card example" aria-label="Example">
    <p class="example-tag">Listen to an example</p>
    <h3>“${PROMPT}”</h3>
    <p class="piece-facts"><span>nano, the included model</span><span>${clock(SECONDS)}</span></p>
    <${Player} src=${SRC} peaks=${PEAKS} rms=${RMS} seconds=${SECONDS} label="the example" loop=${false} />
    <div class="row"><${Button} small icon="edit" onClick=${use}>Start with this description<//></div>
  </article>`;
}
