// A waveform as bars: how loud it is on average, within a paler outline of its peaks.

const BAR = 3;  // CSS pixels
const GAP = 2;
const LEAST = 2;
const PALE = 0.4;  // of the outline

/**
 * How high each bar is, from 0 to 1: its outline and its filling.
 * @param {ArrayLike<number>} peaks largest magnitudes, or samples
 * @param {ArrayLike<number>|null} rms beside the peaks; null where `peaks` are samples
 * @param {number} count of bars
 * @param {number} loudest what the highest bar stands for
 * @returns {{peak: number, rms: number}[]}
 */
export function barsOf(peaks, rms, count, loudest) {
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * peaks.length) / count);
    const end = Math.max(start + 1, Math.floor(((i + 1) * peaks.length) / count));
    let most = 0;
    let power = 0;
    for (let j = start; j < end && j < peaks.length; j += 1) {
      most = Math.max(most, Math.abs(peaks[j]));
      power += (rms ?? peaks)[j] ** 2;
    }
    return { peak: most / loudest, rms: Math.min(most, Math.sqrt(power / (end - start))) / loudest };
  });
}

/**
 * Draws for wavesurfer, which has set the colour.
 * @param {number[]|null} rms of the whole recording; null draws them from its samples
 * @param {number|null} loudest of the whole recording, where it is known
 * @returns {(channels: ArrayLike<number>[], context: CanvasRenderingContext2D) => void}
 */
export function barRenderer(rms, loudest) {
  return (channels, context) => {
    const { width, height } = context.canvas;
    const ratio = window.devicePixelRatio || 1;
    const count = Math.max(1, Math.floor(width / ((BAR + GAP) * ratio)));
    const fallback = () => channels[0].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const bars = barsOf(channels[0], rms && channels[1] ? channels[1] : null, count, loudest || fallback() || 1);
    const draw = (part, alpha) => {
      context.globalAlpha = alpha;
      context.beginPath();
      bars.forEach((bar, i) => {
        const tall = Math.max(LEAST * ratio, bar[part] * height);
        context.roundRect(i * (BAR + GAP) * ratio, (height - tall) / 2, BAR * ratio, tall, BAR * ratio);
      });
      context.fill();
    };
    draw("peak", PALE);
    draw("rms", 1);
    context.globalAlpha = 1;
  };
}
