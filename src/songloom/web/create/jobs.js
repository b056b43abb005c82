// The pieces that the page shows: the latest of the library, and what happens to those that run.
import { api, online } from "../api.js";
import { ended } from "../status.js";
import { drop } from "../ui/compare.js";
import { signal } from "../ui/html.js";
import { toast } from "../ui/toast.js";
import { Remaining } from "./remaining.js";

const SHOWN = 12;
const WATCHED = 2;  // a browser keeps few connections to one server, and the page needs others
const POLL_MS = 3000;
const LOOK_MS = 10_000;

/**
 * The latest pieces, the newest first; null until they are known.
 * @type {{value: {id: string, item: {value: any}, live: {value: any}}[]|null}}
 */
export const pieces = signal(null);
/** What is read out: that a piece is ready, or that it failed. */
export const announced = signal("");

const watched = new Set();  // ids of pieces that run, however their end is waited for
const streamed = new Set();  // ids of those whose events are listened to

/** Fetches the latest pieces, and watches those that run. */
export async function loadPieces() {
  const { results } = await api.get(`/v1/library?kind=prediction&limit=${SHOWN}`);
  const before = new Map((pieces.value ?? []).map((piece) => [piece.id, piece]));
  pieces.value = results.map((item) => {
    const piece = before.get(item.id) ?? newPiece(item);
    piece.item.value = item;
    return piece;
  });
  watchSome();
}

/**
 * Shows what other tabs and programs make, while the page is looked at.
 * @returns {() => void} stops
 */
export function followLibrary() {
  const look = () => {
    if (!document.hidden && online.value && pieces.value) loadPieces().catch(() => {});  // the next look may do
  };
  const timer = setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

/**
 * Asks for music.
 * @param {{version: string, input: object}} request
 */
export async function create(request) {
  const made = await api.post("/v1/predictions", request);
  const item = await api.get(`/v1/library/${made.id}`);
  pieces.value = [newPiece(item), ...(pieces.value ?? [])];
  watchSome();
  return item;
}

/** Stops one. @param {any} item */
export async function cancel(item) {
  await api.post(`/v1/predictions/${item.id}/cancel`);
  await refresh(item.id);
}

/** Takes an item as it is on the server now. @param {string} id */
export async function refresh(id) {
  const item = await api.get(`/v1/library/${id}`);
  const piece = pieces.value?.find((one) => one.id === id);
  if (piece) piece.item.value = item;
  return item;
}

/** Removes it, with a way back. @param {any} item */
export async function remove(item) {
  await api.del(`/v1/library/${item.id}`);
  drop(item);
  pieces.value = pieces.value.filter((piece) => piece.id !== item.id);
  toast("Moved to the bin.", {
    undo: async () => {
      await api.post(`/v1/library/${item.id}/restore`);
      await loadPieces();
    },
  });
}

function newPiece(item) {
  return { id: item.id, item: signal(item), live: signal({ share: 0, heard: 0, left: null }) };
}

function watchSome() {
  for (const piece of pieces.value.filter((one) => !ended(one.item.value)).reverse()) {
    if (watched.has(piece.id)) continue;
    watched.add(piece.id);
    if (streamed.size < WATCHED) watch(piece);
    else poll(piece);
  }
}

function watch(piece) {
  const remaining = new Remaining();
  streamed.add(piece.id);
  api.events(piece.item.value.urls.events, {
    status: (job) => {
      if (ended(job)) {
        finish(piece);
        return false;
      }
      piece.item.value = { ...piece.item.value, status: job.status };
    },
    progress: ({ share, unit, stage }) => {
      const left = remaining.take(share, performance.now());
      piece.live.value = { ...piece.live.value, share, unit, stage, left };
    },
    preview: ({ seconds }) => {
      piece.live.value = { ...piece.live.value, heard: seconds };
    },
    closed: () => finish(piece),
  });
}

async function poll(piece) {
  while (!ended(piece.item.value)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (streamed.size < WATCHED) return watch(piece);
    await refresh(piece.id).catch(() => {});
  }
  await finish(piece);
}

async function finish(piece) {
  streamed.delete(piece.id);
  if (!watched.delete(piece.id)) return;
  const item = await refresh(piece.id).catch(() => piece.item.value);
  announced.value = {
    succeeded: `Ready: ${item.title || item.prompt || "your piece"}`,
    failed: `It didn’t work: ${item.error}`,
    canceled: "Cancelled.",
  }[item.status] ?? "";
}
