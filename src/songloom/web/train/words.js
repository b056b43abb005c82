// What happens in a training, in words for people who make music.

import { ended as hasEnded } from "../status.js";

const NOTEWORTHY = 0.02; // a change of the loss below this says little
const UNTRAINED = 5; // updates in which a model is still much as it was

/** Whether a training has still something to do. */
export const isRunning = (training) => !hasEnded(training);

/** @type {Record<string, string>} */
export const STATUS = {
  starting: "Waiting",
  processing: "Training",
  succeeded: "Finished",
  failed: "Failed",
  canceled: "Cancelled",
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
 * @param {string} log  what this run of it said so far; its last stage is shown while there is no progress
 * @returns {string}
 */
export function stageText(training, progress, log) {
  if (training.status === "starting") return "Waiting in the queue";
  if (!progress) return STAGES.get(lastStage(log)) ?? "Getting ready";
  const { stage, done, total } = progress;
  if (stage === "preparing") return `Listening to your songs: ${done} of ${total}`;
  if (stage === "training") {
    const left = progress.values?.seconds_left;
    const time = left == null || done < 3 ? "" : `, ${roughly(left)} left`;
    return `Learning: ${done} of ${total} updates${time}`;
  }
  if (stage.startsWith("downloading")) return `Downloading the model ${stage.replace("downloading ", "")}`;
  return STAGES.get(stage.split(" ")[0]) ?? stage[0].toUpperCase() + stage.slice(1);
}

/** Stages by the first word of what the log calls them. */
const STAGES = new Map([
  ["loading", "Loading the model"],
  ["preparing", "Listening to your songs"],
  ["tuning", "Tuning the decoder"],
  ["training", "Learning"],
  ["measuring", "Measuring what was learned"],
  ["generating", "Making pieces to compare"],
  ["writing", "Saving the model"],
]);
const STAGE_LINE = /^(loading|preparing|tuning|training|measuring|generating|writing)(?: [^:]*)?$/;

/** Whether a line of the log begins a stage. @param {string} line */
export const isStage = (line) => STAGE_LINE.test(line);

function lastStage(log) {
  return log.split(/[\r\n]+/).findLast(isStage)?.split(" ")[0];
}

/**
 * What the losses say so far, or in the end.
 * @param {{points: {step: number, loss: number}[], held_out: {step: number, loss: number}[], steps: number}} curve
 * @param {boolean} ended
 * @returns {string}
 */
export function curveText({ points, held_out, steps }, ended) {
  const place = ended ? `In ${points.at(-1).step} updates` : `After ${points.at(-1).step} of ${steps} updates`;
  // Compared with the model as it was: a later beginning would hide the first, steepest part.
  const untrained = points.filter(({ step }) => step <= UNTRAINED);
  const latest = points.slice(-Math.max(UNTRAINED, Math.floor(points.length / 10)));
  const change = mean(latest) / mean(untrained.length ? untrained : points.slice(0, 1)) - 1;
  const trained = points.length < 2 * UNTRAINED ? "" : `${place}, your songs surprise the model ${compared(change)}.`;
  if (held_out.length < 2) return trained || `${place}, it is too early to say.`;
  return `${trained} ${heldOutText(held_out, ended)}`.trim();
}

function heldOutText(held_out, ended) {
  const [first, latest] = [held_out[0], held_out.at(-1)];
  const best = held_out.reduce((low, point) => (point.loss < low.loss ? point : low));
  const told = `The music kept aside surprises it ${compared(latest.loss / first.loss - 1)}.`;
  if (latest.loss <= best.loss * 1.01) return told;
  if (best === first) return ended ? told : `${told} That may pass: the first updates are rough.`;
  const turn = `It did so least after ${best.step} updates; since then the model has been memorising your songs.`;
  return `${told} ${turn} The model from that point is kept.`;
}

/**
 * What came of a training, in the server's words; of one by an earlier version, its losses alone.
 * @param {{verdict?: string, tone?: string, held_out_loss_before?: number|null, held_out_loss_after?: number|null}} comparison
 * @returns {{text: string, tone: "good"|"plain"|"warning"}}
 */
export function outcome({ verdict, tone, held_out_loss_before: before, held_out_loss_after: after }) {
  if (verdict) return { text: verdict, tone: tone ?? "plain" };
  if (before == null || after == null) {
    return { tone: "plain", text: "No music was kept aside to measure with, so let your ears decide." };
  }
  const losses = `${before.toFixed(2)} to ${after.toFixed(2)}`;
  return { tone: "plain", text: `The loss on the music kept aside went from ${losses} nats. Let your ears decide.` };
}

function compared(change) {
  if (Math.abs(change) < NOTEWORTHY) return "about as much as before training";
  return `${percent(change)} ${change < 0 ? "less" : "more"} than before training`;
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
