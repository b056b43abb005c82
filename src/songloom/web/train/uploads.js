// Uploads of songs: one after the other, so that words find their song, with progress and an end.

import { signal } from "../ui/html.js";
import { api } from "../api.js";
import { sorted } from "./files.js";

/**
 * @typedef {object} Upload
 * @property {number} sent  bytes
 * @property {number} total  bytes
 * @property {number} done  files
 * @property {number} files
 * @property {string} current  path of the file under way
 * @property {boolean} ended
 * @property {{file: string, reason: string}[]} skipped  what could not be used, and why
 * @property {string[]} aside  files that are no songs (covers, playlists)
 */

/** Uploads by their collection's id; they go on while one looks at another page. */
const uploads = new Map();

/**
 * The upload into a collection, as a signal; its value is null while there was none.
 * @param {string} dataset
 * @returns {import("../ui/html.js").Signal<Upload|null>}
 */
export function uploadOf(dataset) {
  if (!uploads.has(dataset)) uploads.set(dataset, signal(null));
  return uploads.get(dataset);
}

/**
 * Send files into a collection; its events tell of the songs as they arrive.
 * @param {string} dataset
 * @param {import("./files.js").ChosenFile[]} files
 */
export async function upload(dataset, files) {
  const state = uploadOf(dataset);
  const { usable, aside } = sorted(files);
  const earlier = state.value && !state.value.ended ? state.value : null;
  const skipped = earlier?.skipped ?? [];
  state.value = {
    sent: earlier?.sent ?? 0,
    total: (earlier?.total ?? 0) + sum(usable),
    done: earlier?.done ?? 0,
    files: (earlier?.files ?? 0) + usable.length,
    current: earlier?.current ?? "",
    ended: false,
    skipped,
    aside: [...(earlier?.aside ?? []), ...aside],
  };
  queueOf(dataset).push(...usable);
  if (!earlier) await drain(dataset, state);
}

/**
 * Send no more; what has arrived stays.
 * @param {string} dataset
 */
export function stopUpload(dataset) {
  queueOf(dataset).length = 0;
  aborts.get(dataset)?.abort();
}

/**
 * Forget the messages of an upload that has ended.
 * @param {string} dataset
 */
export function clearUpload(dataset) {
  uploadOf(dataset).value = null;
}

const queues = new Map();
const aborts = new Map();

function queueOf(dataset) {
  if (!queues.has(dataset)) queues.set(dataset, []);
  return queues.get(dataset);
}

async function drain(dataset, state) {
  const queue = queueOf(dataset);
  addEventListener("beforeunload", warn);
  try {
    while (queue.length) {
      const { path, file } = queue.shift();
      const before = state.value.sent;
      state.value = { ...state.value, current: path };
      const failure = await sendOne(dataset, path, file, (share) => {
        state.value = { ...state.value, sent: before + share * file.size };
      });
      state.value = {
        ...state.value,
        sent: before + file.size,
        done: state.value.done + 1,
        skipped: [...state.value.skipped, ...failure],
      };
    }
  } finally {
    removeEventListener("beforeunload", warn);
    state.value = { ...state.value, ended: true, current: "" };
  }
}

async function sendOne(dataset, path, file, onShare) {
  const abort = new AbortController();
  aborts.set(dataset, abort);
  try {
    const target = `/v1/datasets/${dataset}/songs?path=${encodeURIComponent(path)}`;
    const answer = await api.upload(target, file, onShare, { method: "PUT", signal: abort.signal });
    return answer.skipped;
  } catch (error) {
    if (error.name === "AbortError") return [];
    return [{ file: path, reason: error.detail || error.message }];
  }
}

function sum(files) {
  return files.reduce((total, { file }) => total + file.size, 0);
}

function warn(event) {
  event.preventDefault();
}
