// What happens in a training, in words for people who make music.

import { ended as hasEnded } from "../status.js";

const NOTEWORTHY = 0.02; // a change of the loss below this says little
const LOST = 0.5; // a rise above this is no learning by heart

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
  const told = `Songs kept aside surprise it ${compared(latest.loss / first.loss - 1)}.`;
  if (latest.loss <= best.loss * 1.01) return told;
  if (best === first) return ended ? told : `${told} That may pass: the first updates are rough.`;
  const turn = `They did so least after ${best.step} updates; since then it learns your songs by heart.`;
  return `${told} ${turn} The model keeps that state.`;
}

/**
 * What a training achieved.
 * @param {number|null|undefined} before  loss on the songs kept aside
 * @param {number|null|undefined} after
 * @returns {{text: string, good: boolean|null}}
 */
export function verdict(before, after) {
  if (before == null || after == null) {
    const text = "No songs were kept aside to measure with (that takes four or more), so let your ears decide.";
    return { good: null, text };
  }
  const change = after / before - 1;
  if (change <= -NOTEWORTHY) {
    return {
      good: true,
      text: "It learned something that carries over to songs it never heard: "
        + `they surprise it ${percent(change)} less than before.`,
    };
  }
  if (change < NOTEWORTHY) {
    return {
      good: null,
      text: "Songs it never heard surprise it about as much as before: it learned little that carries over. "
        + "Listen first; then try a longer training.",
    };
  }
  const advice = change > LOST
    ? "it lost its way. Set a slower pace of learning under Advanced, or a longer training"
    : "what it learned does not carry over. Try a shorter training, or more songs";
  return { good: false, text: `Songs it never heard surprise it ${percent(change)} more than before: ${advice}.` };
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
