// The chart of a training: how much the songs surprise the model, update by update.

import { html, useEffect, useRef, useState } from "../ui/html.js";
import { tickText, ticks } from "./ticks.js";
import { curveText } from "./words.js";

const HEIGHT = 240;
const EDGE = { top: 10, right: 14, bottom: 38, left: 34 };
const SMOOTHING = 0.9; // of the line that is drawn on top of the single updates

/**
 * The losses as a picture, with what they say in words and as numbers.
 * @param {{curve: {points: object[], held_out: object[], steps: number}, ended: boolean}} props
 */
export function LossChart({ curve, ended }) {
  const [frame, width] = useWidth();
  const told = curveText(curve, ended);
  return html`
    <figure class="chart" ref=${frame}>
      ${width > 0 && curve.points.length > 1 && html`<${Picture} curve=${curve} width=${width} label=${told} />`}
      <figcaption>
        <p>${told}</p>
        <p class="chart-key" aria-hidden="true">
          <span class="key-trained">your songs</span>
          ${curve.held_out.length > 0 && html`<span class="key-held-out">songs kept aside, which it never hears</span>`}
        </p>
        <${Numbers} curve=${curve} />
      </figcaption>
    </figure>
  `;
}

function Picture({ curve, width, label }) {
  const { points, held_out, steps } = curve;
  const smooth = smoothed(points);
  // The axis follows the smooth line and the measurements: single updates jump, and may be cut off.
  const losses = [...smooth, ...held_out].map((point) => point.loss);
  const pad = (Math.max(...losses) - Math.min(...losses)) * 0.15 + 0.02;
  const [low, high] = [Math.min(...losses) - pad, Math.max(...losses) + pad];
  const right = width - EDGE.right, bottom = HEIGHT - EDGE.bottom;
  const x = (step) => EDGE.left + (step / Math.max(1, steps)) * (right - EDGE.left);
  const y = (loss) => EDGE.top + ((high - clamp(loss, low, high)) / (high - low)) * (bottom - EDGE.top);
  const levels = ticks(low, high, 3);
  const path = (line) => line.map(({ step, loss }, i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
  return html`
    <svg role="img" aria-label=${`Chart of the training. ${label}`} width=${width} height=${HEIGHT}>
      ${levels.map((loss) => html`
        <line class="grid" x1=${EDGE.left} x2=${right} y1=${y(loss)} y2=${y(loss)} />
        <text x=${EDGE.left - 8} y=${y(loss) + 4} text-anchor="end">${tickText(loss, levels)}</text>
      `)}
      ${ticks(0, steps, width < 500 ? 3 : 4, { whole: true }).map((step) => html`
        <text x=${x(step)} y=${bottom + 18} text-anchor=${step ? "middle" : "start"}>${step}</text>
      `)}
      <text x=${right} y=${bottom + 34} text-anchor="end">updates</text>
      <path class="single" d=${path(points)} />
      <path class="trained" d=${path(smooth)} />
      ${held_out.length > 1 && html`<path class="held-out" d=${path(held_out)} />`}
      ${held_out.map(({ step, loss }) => html`<circle class="held-out" cx=${x(step)} cy=${y(loss)} r="4" />`)}
    </svg>
  `;
}

function Numbers({ curve }) {
  const { points, held_out } = curve;
  if (points.length < 2) return null;
  const smooth = smoothed(points);
  const wanted = new Set(Array.from({ length: 9 }, (_, i) => Math.round((i / 8) * (points.length - 1))));
  const rows = [...wanted].map((i) => ({ step: smooth[i].step, loss: smooth[i].loss, kept: null }));
  for (const { step, loss } of held_out) {
    const row = rows.find((other) => other.step === step);
    if (row) row.kept = loss;
    else rows.push({ step, loss: null, kept: loss });
  }
  rows.sort((one, other) => one.step - other.step);
  return html`
    <details>
      <summary>Show as numbers</summary>
      <table>
        <caption>Loss in nats; lower is better</caption>
        <thead><tr><th scope="col">Updates</th><th scope="col">Your songs</th><th scope="col">Kept aside</th></tr></thead>
        <tbody>
          ${rows.map(({ step, loss, kept }) => html`
            <tr><th scope="row">${step}</th><td>${loss?.toFixed(3) ?? ""}</td><td>${kept?.toFixed(3) ?? ""}</td></tr>
          `)}
        </tbody>
      </table>
    </details>
  `;
}

/** The width of an element, kept up to date. */
function useWidth() {
  const ref = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** A moving average that trusts its beginning no more than it should. */
function smoothed(points) {
  let total = 0, weight = 0;
  return points.map(({ step, loss }) => {
    total = SMOOTHING * total + loss;
    weight = SMOOTHING * weight + 1;
    return { step, loss: total / weight };
  });
}


function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

