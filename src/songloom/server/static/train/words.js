// What happens in a training, in words for people who make music.

import { ended as hasEnded } from "../status.js";

const NOTEWORTHY = 0.02; // a change of the loss below this says little

/** Whether a training has still something to do. */
export const isRunning = (training) => !hasEnded(training);

/** @type {Record<string, string>} */
export const STATUS = {
  starting: "Waiting",
  processing: "Training",
  succeeded: "Finished",
  failed: "Failed",
  canceled: "Stopped",
};

/**
 * The name that people gave a training.
 * @param {{title?: string|null, destination?: string}} training
 */
export function nameOf(training) {
  return training.title || training.destination?.split("/").pop() || "Unnamed";
}

/**
 * The address of Create, with what was trained chosen.
 * @param {{destination: string}} training
 */
export function createWith(training) {
  return `#/create?model=${encodeURIComponent(training.destination)}`;
}

/**
 * A time in whole units, for estimates: "less than a minute", "about 4 minutes", "about 2 hours".
 * @param {number} seconds
 */
export function roughly(seconds) {
  return seconds < 45 ? "less than a minute" : `about ${rounded(seconds)}`;
}

/**
 * A span of times: "6 to 9 minutes", "50 minutes to 2 hours".
 * @param {number} low  seconds
 * @param {number} high  seconds
 */
export function span(low, high) {
  const [from, to] = [rounded(low), rounded(high)];
  if (from === to) return `about ${from}`;
  const [number, unit] = from.split(" ");
  return unit.replace(/s$/, "") === to.split(" ")[1].replace(/s$/, "") ? `${number} to ${to}` : `${from} to ${to}`;
}

/**
 * How far a training is, in a line.
 * @param {{status: string}} training
 * @param {{stage: string, done: number, total: number, unit: string, values?: object}|null} progress
 * @param {string} log  what it said so far, from which the stage is told while there is no progress
 * @returns {string}
 */
export function stageText(training, progress, log) {
  if (training.status === "starting") return "Waiting for its turn";
  if (!progress) return unmeasured(log);
  const { stage, done, total } = progress;
  if (stage === "preparing") return `Listening to your songs: ${done} of ${total}`;
  if (stage === "training") {
    const left = progress.values?.seconds_left;
    const time = left == null || done < 3 ? "" : `, ${roughly(left)} left`;
    return `Learning: ${done} of ${total} updates${time}`;
  }
  if (stage.startsWith("downloading")) return `Downloading the model ${stage.replace("downloading ", "")}`;
  if (stage.startsWith("generating")) return "Making pieces to compare";
  return stage[0].toUpperCase() + stage.slice(1);
}

function unmeasured(log) {
  if (/^training$/m.test(log)) return "Learning";
  return /^preparing/m.test(log) ? "Listening to your songs" : "Getting ready";
}

/**
 * What the losses say so far, or in the end.
 * @param {{points: {step: number, loss: number}[], held_out: {step: number, loss: number}[], steps: number}} curve
 * @param {boolean} ended
 * @returns {string}
 */
export function curveText({ points, held_out, steps }, ended) {
  const place = ended ? `In ${points.at(-1).step} updates` : `After ${points.at(-1).step} of ${steps} updates`;
  const edge = Math.max(1, Math.floor(points.length / 10));
  const change = mean(points.slice(-edge)) / mean(points.slice(0, edge)) - 1;
  const trained = points.length < 10 ? "" : `${place}, your songs surprise the model ${compared(change)}.`;
  if (held_out.length < 2) return trained || `${place}, it is too early to say.`;
  return `${trained} ${heldOutText(held_out, ended)}`.trim();
}

function heldOutText(held_out, ended) {
  const [first, latest] = [held_out[0], held_out.at(-1)];
  const best = held_out.reduce((low, point) => (point.loss < low.loss ? point : low));
  const told = `What was kept aside surprises it ${compared(latest.loss / first.loss - 1)}.`;
  if (latest.loss <= best.loss * 1.01) return told;
  if (best === first) return ended ? told : `${told} That may pass: the first updates are rough.`;
  const turn = `It did so least after ${best.step} updates; since then it learns your songs by heart.`;
  return `${told} ${turn} The model keeps that state.`;
}

/**
 * What came of a training, in the server's words; of one by an earlier version, its losses alone.
 * @param {{verdict?: string, tone?: string, held_out_loss_before?: number|null, held_out_loss_after?: number|null}} comparison
 * @returns {{text: string, tone: "good"|"plain"|"warning"}}
 */
export function outcome({ verdict, tone, held_out_loss_before: before, held_out_loss_after: after }) {
  if (verdict) return { text: verdict, tone: tone ?? "plain" };
  if (before == null || after == null) {
    return { tone: "plain", text: "Nothing was kept aside to measure with, so let your ears decide." };
  }
  const losses = `${before.toFixed(2)} to ${after.toFixed(2)}`;
  return { tone: "plain", text: `The loss on what was kept aside went from ${losses} nats. Let your ears decide.` };
}

function compared(change) {
  if (Math.abs(change) < NOTEWORTHY) return "about as much as at first";
  return `${percent(change)} ${change < 0 ? "less" : "more"} than at first`;
}

function percent(change) {
  return `${Math.max(1, Math.round(Math.abs(change) * 100))}%`;
}

function mean(points) {
  return points.reduce((total, { loss }) => total + loss, 0) / points.length;
}

function rounded(seconds) {
  const minutes = seconds / 60;
  if (minutes < 1) return "1 minute";
  if (minutes < 90) return plural(minutes < 20 ? Math.round(minutes) : Math.round(minutes / 5) * 5, "minute");
  const hours = minutes / 60;
  if (hours < 36) return plural(hours < 10 ? Math.round(hours * 2) / 2 : Math.round(hours), "hour");
  return plural(Math.round(hours / 24), "day");
}

function plural(count, unit) {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
