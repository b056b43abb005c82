// Two recordings at the same position: one hears how they differ by switching between them.
import { api } from "../api.js";
import { IconButton } from "./button.js";
import { Segmented } from "./field.js";
import { clock } from "./format.js";
import { html, signal, useCallback, useEffect, useRef, useSignal } from "./html.js";
import { identity } from "./player.js";
import { endTurn, play, takeTurn } from "./turn.js";

/** What is compared: up to two of {src, label}. @type {{value: {src: string, label: string}[]}} */
export const compared = signal([]);

/**
 * Takes a recording to be compared, or lays it aside; the third replaces the first.
 * @param {{src: string, label: string}} one
 */
export function compare(one) {
  if (letterOf(one.src)) {
    compared.value = compared.value.filter((other) => identity(other.src) !== identity(one.src));
    return;
  }
  compared.value = [...compared.value.slice(-1), one];
}

/** Takes the recordings of an item that was deleted out of the comparison. @param {any} item */
export function drop(item) {
  const gone = new Set((item.outputs ?? []).map(({ url }) => identity(url)));
  const left = compared.value.filter(({ src }) => !gone.has(identity(src)));
  if (left.length < compared.value.length) compared.value = left;
}

/** Which letter a recording has in the comparison; empty for none. @param {string} src */
export function letterOf(src) {
  const at = compared.value.findIndex((one) => identity(one.src) === identity(src));
  return at < 0 ? "" : "AB"[at];
}

/** Where two are compared; the shell holds one. */
export function Comparison() {
  const both = compared.value;
  if (!both.length) return null;
  if (both.length === 1) {
    return html`<section class="comparison" aria-label="Compare A and B">
      <b class="comparison-letter">A</b>
      <div class="comparison-middle" role="status">
        <p>${both[0].label}</p>
        <p class="muted">Now choose “Compare A/B” on another recording.</p>
      </div>
      <${End} />
    </section>`;
  }
  return html`<${Switcher} key=${both.map((one) => identity(one.src)).join(" ")} both=${both} />`;
}

function Switcher({ both }) {
  const sounds = useRef([]);
  const heard = useSignal("A");
  const playing = useSignal(false);
  const time = useSignal(0);
  const length = useSignal(0);
  const silence = useCallback(() => {
    for (const sound of sounds.current) sound.pause();
    playing.value = false;
    endTurn(silence);
  }, []);
  const lead = () => sounds.current["AB".indexOf(heard.value)];

  useEffect(() => {
    sounds.current = both.map(({ src }) => Object.assign(new Audio(api.url(src)), { preload: "auto" }));
    const tick = setInterval(() => {
      const sound = lead();
      if (!sound) return;
      time.value = sound.currentTime;
      length.value = Math.max(...sounds.current.map((one) => one.duration || 0));
      if (playing.value && sound.ended) silence();
    }, 100);
    return () => {
      clearInterval(tick);
      silence();
      for (const sound of sounds.current) sound.removeAttribute("src");
    };
  }, []);

  const toggle = async () => {
    if (playing.value) return silence();
    takeTurn(silence);
    const from = lead().ended ? 0 : lead().currentTime;
    sounds.current.forEach((sound, i) => {
      sound.muted = "AB"[i] !== heard.value;
      sound.currentTime = Math.min(from, sound.duration || from);
    });
    playing.value = true;
    const started = await Promise.all(sounds.current.map((sound) => play(sound)));
    if (!started.every(Boolean) && playing.value) silence();  // one alone is no comparison
  };
  const listenTo = (letter) => {
    const from = lead().currentTime;
    heard.value = letter;
    // Both run, one of them muted: switching needs no pause. Their clocks drift apart a little.
    sounds.current.forEach((sound, i) => { sound.muted = "AB"[i] !== letter; });
    if (Math.abs(lead().currentTime - from) > 0.03) lead().currentTime = from;
  };
  const seek = (event) => {
    const to = Number(event.currentTarget.value);
    for (const sound of sounds.current) sound.currentTime = Math.min(to, sound.duration || to);
    time.value = to;
  };
  const shown = both["AB".indexOf(heard.value)];
  return html`<section class="comparison" aria-label="Compare A and B">
    <${IconButton}
      icon=${playing.value ? "pause" : "play"} kind="primary"
      label=${playing.value ? "Pause the comparison" : "Play the comparison"} onClick=${toggle}
    />
    <${Segmented}
      label="Which one is heard" hideLabel value=${heard.value} onChange=${listenTo}
      options=${[{ value: "A", label: "A" }, { value: "B", label: "B" }]}
    />
    <div class="comparison-middle">
      <p>${shown.label}</p>
      <input
        class="slider" type="range" min="0" max=${length.value || 1} step="0.1" value=${time.value}
        style=${{ "--share": `${length.value ? (100 * time.value) / length.value : 0}%` }}
        aria-label="Position in both" aria-valuetext=${clock(time.value)} onInput=${seek}
      />
    </div>
    <span class="player-time" aria-hidden="true">${clock(time.value)}</span>
    <${End} />
  </section>`;
}

function End() {
  return html`<${IconButton} icon="close" label="End the comparison" onClick=${() => { compared.value = []; }} />`;
}
