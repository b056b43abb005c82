// A recording: its waveform, which is also where one seeks, and the buttons to hear it.
import { api } from "../api.js";
import { barRenderer } from "./bars.js";
import { colour, onTheme } from "./colours.js";
import { IconButton } from "./button.js";
import { clock } from "./format.js";
import { classes, html, useEffect, useRef, useSignal } from "./html.js";
import { Spectrogram } from "./spectrogram.js";
import { endTurn, play, reportUnplayable, takeTurn } from "./turn.js";

const STEP_SECONDS = 2;

/**
 * @param {{
 *   src: string, label: string, peaks?: string|number[], rms?: number[], seconds?: number, loop?: boolean,
 *   spectrogram?: boolean, compact?: boolean, onTime?: (seconds: number) => void,
 *   handle?: {current: any}, children?: any,
 * }} props `label` names the recording to screen readers; `peaks` are numbers from 0 to 1 or the
 *   URL of `{"peaks", "rms", "seconds"}`, and without them the file itself is read; `loop` and
 *   `spectrogram` offer these buttons; `handle.current` becomes {media, seek, wave}; children are
 *   further buttons
 */
export function Player({
  src, label, peaks, rms, seconds, loop = true, spectrogram = false, compact = false, onTime, handle,
  children,
}) {
  const box = useRef(null);
  const player = useRef(null);
  const playing = useSignal(false);
  const looping = useSignal(false);
  const pictured = useSignal(false);
  const time = useSignal(0);
  const length = useSignal(seconds ?? 0);
  const latest = useRef({});
  latest.current = { src: api.url(src), peaks, rms, seconds, onTime };

  useEffect(() => {
    let gone = false;
    const media = new Audio();
    media.preload = "none";
    const parts = { media, wave: null, seek };
    player.current = parts;
    if (handle) handle.current = parts;
    const on = (name, act) => media.addEventListener(name, act);
    const silence = () => media.pause();
    on("play", () => {
      takeTurn(silence);
      playing.value = true;
    });
    on("pause", () => { playing.value = false; });
    on("ended", () => { playing.value = false; });
    on("timeupdate", () => {
      time.value = media.currentTime;
      latest.current.onTime?.(media.currentTime);
    });
    on("durationchange", () => { if (Number.isFinite(media.duration)) length.value = media.duration; });
    on("error", () => {
      if (!gone && media.error && media.getAttribute("src")) reportUnplayable();
    });
    const forget = whenSeen(box.current, async () => {
      const wave = await drawWave(box.current, media, latest.current, compact);
      if (gone) return wave.destroy();
      parts.wave = wave;
      if (!media.getAttribute("src")) media.src = latest.current.src;
      // Before anything was fetched the media element tells nobody where it was put; the wave does.
      wave.on("timeupdate", (at) => { time.value = at; });
      if (time.value > 0) wave.setTime(time.value);
    });
    return () => {
      gone = true;
      forget();
      media.pause();
      endTurn(silence);
      parts.wave?.destroy();
      media.removeAttribute("src");
      media.load();
    };
  }, [identity(src)]);

  function seek(to) {
    const { media, wave } = player.current;
    if (!media.getAttribute("src")) media.src = latest.current.src;
    const at = Math.min(Math.max(0, to), length.value || to);
    if (wave?.getDuration()) wave.setTime(at);
    else media.currentTime = at;
    time.value = at;
  }
  const toggle = async () => {
    const { media } = player.current;
    if (!media.getAttribute("src")) media.src = latest.current.src;
    if (media.paused) await play(media);
    else media.pause();
  };
  const toggleLoop = () => {
    looping.value = !looping.value;
    player.current.media.loop = looping.value;
  };
  const keys = (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
    if (event.key in steps) seek(time.value + STEP_SECONDS * steps[event.key]);
    else if (event.key === "Home") seek(0);
    else if (event.key === "End") seek(length.value);
    else if (event.key === " " || event.key === "Enter") toggle();
    else return;
    event.preventDefault();
  };

  return html`<div class=${classes("player", compact && "player-compact")} role="group" aria-label=${label}>
    <div class="player-row">
      <${IconButton}
        icon=${playing.value ? "pause" : "play"} kind=${playing.value ? "primary" : "soft"} class="player-play"
        label=${playing.value ? `Pause ${label}` : `Play ${label}`} onClick=${toggle}
      />
      <div
        class="player-wave" ref=${box} role="slider" tabindex="0" aria-label=${`Position in ${label}`}
        aria-valuemin="0" aria-valuemax=${Math.round(length.value * 10) / 10}
        aria-valuenow=${Math.round(time.value * 10) / 10}
        aria-valuetext=${`${clock(time.value)} of ${clock(length.value)}`} onKeyDown=${keys}
      ></div>
      <span class="player-time" aria-hidden="true">${clock(time.value)}<i> / ${clock(length.value)}</i></span>
      ${(loop || spectrogram || children) && html`<div class="player-tools">
        ${loop && html`<${IconButton}
          icon="loop" label="Play in a loop" pressed=${looping.value} onClick=${toggleLoop}
        />`}
        ${spectrogram && html`<${IconButton}
          icon="spectrum" label="Show the spectrogram" pressed=${pictured.value}
          onClick=${() => { pictured.value = !pictured.value; }}
        />`}
        ${children}
      </div>`}
    </div>
    ${pictured.value && html`<${Spectrogram}
      src=${latest.current.src} label=${label} share=${length.value ? time.value / length.value : 0}
      onSeek=${(share) => seek(share * length.value)}
    />`}
  </div>`;
}

/** Which file a URL leads to: its signature is another at every look. */
export function identity(src) {
  return new URL(src, document.baseURI).pathname;
}

/**
 * Calls back once, when an element comes near to what is seen.
 * @param {Element} element
 * @param {() => void} act
 * @returns {() => void} forgets it
 */
export function whenSeen(element, act) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    act();
  }, { rootMargin: "300px" });
  watcher.observe(element);
  return () => watcher.disconnect();
}

/**
 * A waveform in an element, in the theme's colours.
 * @param {HTMLElement} container
 * @param {HTMLMediaElement|undefined} media
 * @param {{src: string, peaks?: string|number[], seconds?: number}} recording
 * @param {boolean} compact
 * @param {object} [options] further ones of wavesurfer
 */
export async function drawWave(container, media, recording, compact, options = {}) {
  const [{ default: WaveSurfer }, { peaks, rms, seconds }] = await Promise.all([
    import("wavesurfer"),
    readPeaks(recording),
  ]);
  const wave = WaveSurfer.create({
    container,
    media,
    height: compact ? 36 : 56,
    barWidth: 3,
    barGap: 2,
    barRadius: 3,
    barMinHeight: 2,
    cursorWidth: 2,
    // What an earlier version wrote has no average levels: its bars are all filling.
    ...(peaks && !rms ? {} : { renderFunction: barRenderer(rms ?? null, rms ? Math.max(...peaks) : null) }),
    normalize: true,
    hideScrollbar: true,
    dragToSeek: true,
    cspNonce: document.querySelector("script[nonce]")?.nonce,
    ...options,
  });
  // Without peaks the file itself is read, for which its length must be known.
  if (media && !peaks) media.preload = "metadata";
  const restyle = onTheme(() => wave.setOptions({
    waveColor: colour("--wave"),
    progressColor: colour("--accent"),
    cursorColor: colour("--accent"),
  }));
  wave.on("destroy", restyle);
  wave.on("error", () => {});  // the player tells what can't be played
  wave.load(recording.src, peaks ? [peaks, rms].filter(Boolean) : undefined, peaks ? seconds : undefined).catch(() => {});
  return wave;
}

async function readPeaks({ peaks, rms, seconds }) {
  if (typeof peaks !== "string") return { peaks, rms, seconds };
  return api.get(peaks).catch(() => ({}));
}
