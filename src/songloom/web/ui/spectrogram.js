// A picture of which pitches sound when: time to the right, pitch upwards, loudness as brightness.
import { colour, onTheme } from "./colours.js";
import { html, useEffect, useRef, useSignal } from "./html.js";

const SIZE = 2048;  // samples in one look at the sound
const ROWS = 128;
const COLUMNS = 480;
const LOWEST = 50;  // Hz
const HIGHEST = 12_000;
const RANGE_DB = 72;
const TOLD = { reading: "Analysing…", failed: "This recording can’t be read. Reload the page." };

/**
 * @param {{src: string, label: string, share: number, onSeek: (share: number) => void}} props
 *   `share` of it that has been played
 */
export function Spectrogram({ src, label, share, onSeek }) {
  const canvas = useRef(null);
  const state = useSignal("reading");
  useEffect(() => {
    let gone = false;
    let forget = () => {};
    levelsOf(src).then(
      (levels) => {
        if (gone) return;
        state.value = "ready";
        forget = onTheme(() => paint(canvas.current, levels));
      },
      () => { state.value = "failed"; },
    );
    return () => {
      gone = true;
      forget();
    };
  }, [new URL(src, document.baseURI).pathname]);
  const press = (event) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    onSeek((event.clientX - left) / width);
  };
  return html`<div class="spectrogram" onPointerDown=${press}>
    <canvas ref=${canvas} width=${COLUMNS} height=${ROWS} role="img" aria-label=${`Spectrogram of ${label}`}></canvas>
    <i class="spectrogram-cursor" style=${{ left: `${100 * share}%` }}></i>
    ${state.value !== "ready" && html`<p>${TOLD[state.value]}</p>`}
    <span class="spectrogram-scale" aria-hidden="true"><b>12 kHz</b><b>800 Hz</b><b>50 Hz</b></span>
  </div>`;
}

/** Loudness from 0 to 1 of each pitch at each time; column by column, from the lowest pitch. */
async function levelsOf(src) {
  const data = await (await fetch(src)).arrayBuffer();
  const audio = await new OfflineAudioContext(1, 1, 32_000).decodeAudioData(data);
  const samples = audio.getChannelData(0);
  const window = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
  const bins = Array.from({ length: ROWS + 1 }, (_, row) =>
    (LOWEST * (HIGHEST / LOWEST) ** (row / ROWS) * SIZE) / audio.sampleRate);
  const levels = new Float32Array(COLUMNS * ROWS);
  const real = new Float32Array(SIZE);
  const imaginary = new Float32Array(SIZE);
  for (let column = 0; column < COLUMNS; column += 1) {
    const start = Math.round((column / COLUMNS) * Math.max(0, samples.length - SIZE));
    for (let i = 0; i < SIZE; i += 1) real[i] = (samples[start + i] ?? 0) * window[i];
    imaginary.fill(0);
    transform(real, imaginary);
    for (let row = 0; row < ROWS; row += 1) {
      const low = Math.floor(bins[row]);
      const high = Math.max(low + 1, Math.floor(bins[row + 1]));
      let most = 0;
      for (let bin = low; bin < high; bin += 1) most = Math.max(most, real[bin] ** 2 + imaginary[bin] ** 2);
      levels[column * ROWS + row] = 10 * Math.log10(most + 1e-9);
    }
    if (column % 60 === 59) await new Promise((resolve) => setTimeout(resolve));  // let others draw
  }
  const loudest = levels.reduce((most, level) => Math.max(most, level), -Infinity);
  return levels.map((level) => Math.min(1, Math.max(0, 1 + (level - loudest) / RANGE_DB)));
}

/** The fast Fourier transform of Cooley and Tukey, in place. */
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i += 1) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let length = 2; length <= size; length <<= 1) {
    const half = length >> 1;
    for (let k = 0; k < half; k += 1) {
      const cosine = Math.cos((-2 * Math.PI * k) / length);
      const sine = Math.sin((-2 * Math.PI * k) / length);
      for (let i = k; i < size; i += length) {
        const j = i + half;
        const re = real[j] * cosine - imaginary[j] * sine;
        const im = real[j] * sine + imaginary[j] * cosine;
        real[j] = real[i] - re;
        imaginary[j] = imaginary[i] - im;
        real[i] += re;
        imaginary[i] += im;
      }
    }
  }
}

function paint(canvas, levels) {
  const parts = (name) => colour(name).match(/[\d.]+/g).map(Number);
  const [from, middle, to] = [parts("--raised"), parts("--accent"), parts("--text")];
  const context = canvas.getContext("2d");
  const image = context.createImageData(COLUMNS, ROWS);
  for (let column = 0; column < COLUMNS; column += 1) {
    for (let row = 0; row < ROWS; row += 1) {
      const level = levels[column * ROWS + row] ** 1.6;
      const [low, high, share] = level < 0.6 ? [from, middle, level / 0.6] : [middle, to, (level - 0.6) / 0.4];
      const at = 4 * ((ROWS - 1 - row) * COLUMNS + column);
      for (let part = 0; part < 3; part += 1) image.data[at + part] = low[part] + (high[part] - low[part]) * share;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
