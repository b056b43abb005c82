// What a newcomer hears first: a piece that comes with the page, made by nano from these words.
import { Button } from "../ui/button.js";
import { html } from "../ui/html.js";
import { Player } from "../ui/player.js";
import { set } from "./state.js";

const PROMPT = "happy bossa nova, flute melody, acoustic guitar chords, upright bass, drums, A major, 125 bpm";
const SRC = new URL("../examples/bossa-nova.mp3", import.meta.url).href;
const SECONDS = 12;
const PEAKS = [
  1, 0.87, 0.79, 0.83, 0.47, 0.37, 0.16, 0.28, 0.18, 0.17, 0.17, 0.96, 0.64, 0.74, 0.71, 0.53,
  0.57, 0.54, 0.96, 0.78, 0.86, 0.7, 0.6, 0.55, 0.69, 0.94, 0.59, 0.95, 1, 0.74, 0.69, 0.65,
  0.65, 0.51, 0.5, 0.54, 0.5, 1, 1, 0.85, 0.78, 0.7, 0.48, 0.66, 0.91, 0.77, 0.65, 0.65, 0.64,
  0.53, 1, 0.95, 0.72, 1, 0.84, 0.92, 0.88, 0.75, 0.44, 0.46, 0.49, 0.43, 0.45, 0.49, 0.43, 0.45,
  0.49, 0.43, 0.45, 0.49, 0.43, 0.43, 0.49, 0.49, 0.43, 0.46, 0.49, 0.43, 0.45, 0.49, 0.43, 0.45,
  0.49, 0.43, 0.45, 0.49, 0.43, 0.43, 0.49, 0.49, 0.43, 0.46, 0.49, 0.43, 0.45, 0.49, 0.43, 0.45,
  0.49, 0.43, 0.45, 0.94, 0.77, 0.68, 0.74, 0.56, 0.51, 0.79, 0.91, 0.7, 0.67, 0.67, 0.73, 0.66,
  0.85, 0.73, 0.85, 1, 1, 0.74, 0.65, 0.61, 0.46, 0.47, 0.47, 0.47, 0.84, 1, 0.89, 0.83, 0.78,
  0.69, 0.47, 0.91, 0.78, 0.59, 0.65, 0.54, 0.64, 0.86, 1, 0.78, 0.78, 1, 0.91, 0.62, 0.46, 0.48,
  0.28, 0.24, 0.22, 0.18, 0.27, 0.21, 0.15, 0.11, 0.07, 0.04, 0.02, 0.01,
];

/** The example, and a way to begin with its words. */
export function Example() {
  const use = () => {
    set("prompt", PROMPT);
    document.querySelector(".create-form textarea")?.focus();
  };
  return html`<article class="piece card example" aria-label="Example">
    <p class="example-tag">Listen: an example</p>
    <h3>“${PROMPT}”</h3>
    <p class="piece-facts"><span>nano, the model that comes along</span><span>0:12</span></p>
    <${Player} src=${SRC} peaks=${PEAKS} seconds=${SECONDS} label="the example" loop=${false} />
    <div class="row"><${Button} small icon="edit" onClick=${use}>Begin with these words<//></div>
  </article>`;
}
