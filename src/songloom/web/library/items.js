// What the library shows, and what can be done to it. One list, read in pages, newest first.
import { api } from "../api.js";
import { ended } from "../status.js";
import { nameOf as nameOfPiece } from "../ui/card.js";
import { drop } from "../ui/compare.js";
import { cutAtWord } from "../ui/format.js";
import { batch, signal } from "../ui/html.js";
import { toast, toastError } from "../ui/toast.js";

const PAGE = 50;

/** What can be shown, by the name that stands in the page's address. */
export const SHELVES = {
  all: { label: "Everything", asks: {} },
  music: { label: "Music", asks: { kind: "prediction" } },
  models: { label: "Trained models", asks: { kind: "training" } },
  favourites: { label: "Favourites", asks: { favorite: "true" } },
  bin: { label: "Bin", asks: { deleted: "true" } },
};

/** Name of the shelf that is shown. */
export const shelf = signal("all");
/** Words that are searched for. */
export const words = signal("");
/** Id of the one item that is shown; null for all. */
export const only = signal(null);
/** The items read so far. */
export const items = signal([]);
/** How many there are; null until the server has said it. */
export const total = signal(null);
/** "loading", "more" while a further page is read, "ready", or the error. */
export const state = signal("loading");

let next = null;  // where the following page begins
let reading = null;  // stops what is being read of the present list
const leaving = new Set();  // ids of what was taken out of it, which an answer under way may still hold

/** What an item is called. @param {object} item */
export function nameOf(item) {
  if (item.kind === "prediction") return nameOfPiece(item);
  return item.title || item.destination?.split("/").pop() || "A trained model";
}

/** Reads the list from its beginning. */
export async function load() {
  reading?.abort();
  reading = new AbortController();
  leaving.clear();
  const { signal: stopped } = reading;
  state.value = "loading";
  try {
    show(await page(null, stopped), (found) => found);
  } catch (error) {
    if (!stopped.aborted) state.value = error;
  }
}

/** Reads the page after the last one, if there is one. */
export async function more() {
  if (state.value !== "ready" || next === null) return;
  const { signal: stopped } = reading;
  state.value = "more";
  try {
    const found = await page(next, stopped);
    if (!stopped.aborted) show(found, (further) => [...items.value, ...further]);
  } catch (error) {
    if (stopped.aborted) return;
    state.value = "ready";
    toastError(error);
  }
}

/** Whether there are further pages. */
export function hasMore() {
  return next !== null;
}

/** Looks again at what is new and at what still runs; what fails is tried again later. */
export async function refresh() {
  if (state.value !== "ready") return;
  const { signal: stopped } = reading;
  const found = await page(null, stopped).catch(() => null);
  if (!found || stopped.aborted || state.value !== "ready") return;
  const newest = found.results.filter((item) => !leaving.has(item.id));
  const shown = new Set(newest.map((item) => item.id));
  const last = items.value.findLastIndex((item) => shown.has(item.id));
  const rest = items.value.slice(last + 1);
  const running = rest.filter((item) => !ended(item)).slice(0, 10);
  const again = await Promise.all(running.map((item) => api.get(path(item)).catch(() => item)));
  if (stopped.aborted || state.value !== "ready") return;
  const fresh = new Map(again.map((item) => [item.id, item]));
  if (!rest.length) next = found.next;
  batch(() => {
    items.value = [...newest, ...rest.map((item) => fresh.get(item.id) ?? item)];
    total.value = found.total;
  });
}

/** @param {object} item @param {string} title an empty one takes the title away */
export function rename(item, title) {
  return change(item, { title: title.trim() || null });
}

/** @param {object} item */
export function toggleFavourite(item) {
  return change(item, { favorite: !item.favorite });
}

/**
 * Moves an item into the bin, or out of this server for good.
 * @param {object} item
 * @param {{forever?: boolean}} [options]
 */
export async function remove(item, { forever = false } = {}) {
  const putBack = takeOut(item);
  drop(item);
  try {
    await api.del(path(item) + (forever ? "?forever=true" : ""));
  } catch (error) {
    putBack();
    toastError(error);
    return;
  }
  if (!forever && shelf.value === "bin") load();  // which was looked into before it arrived
  if (forever) toast(`“${short(nameOf(item))}” was deleted`);
  else toast(`“${short(nameOf(item))}” was moved to the bin`, { undo: () => bringBack(item, putBack) });
}

/** Takes an item out of the bin. @param {object} item */
export async function restore(item) {
  const putBack = takeOut(item);
  try {
    await api.post(`${path(item)}/restore`);
    toast(`“${short(nameOf(item))}” was restored`);
  } catch (error) {
    putBack();
    toastError(error);
  }
}

/** Deletes what is in the bin for good. */
export async function emptyBin() {
  try {
    await api.del("/v1/library?deleted=true");
    toast("The bin was emptied");
  } catch (error) {
    toastError(error);
  }
  await load();
}

/** Stops what an item still does. @param {object} item */
export async function cancel(item) {
  try {
    await api.post(item.urls.cancel);
    await refresh();
  } catch (error) {
    toastError(error);
  }
}

async function bringBack(item, putBack) {
  try {
    putBack(await api.post(`${path(item)}/restore`));
  } catch (error) {
    toastError(error);
  }
}

/** Shows a change at once, and takes it back where the server refuses. */
async function change(item, changes) {
  replace({ ...item, ...changes });
  try {
    replace(await api.patch(path(item), changes));
  } catch (error) {
    replace(item);
    toastError(error);
  }
}

function path(item) {
  return `/v1/library/${encodeURIComponent(item.id)}`;
}

async function page(cursor, stopped) {
  if (only.value !== null) {
    const item = await api.get(path({ id: only.value }), { signal: stopped });
    return { results: [item], next: null, total: 1 };
  }
  const asked = new URLSearchParams({ ...SHELVES[shelf.value].asks, limit: String(PAGE) });
  if (words.value.trim()) asked.set("query", words.value.trim());
  if (cursor) asked.set("cursor", cursor);
  return api.get(`/v1/library?${asked}`, { signal: stopped });
}

function show(found, joined) {
  next = found.next;
  batch(() => {
    items.value = joined(found.results);
    total.value = found.total;
    state.value = "ready";
  });
}

/** Shows an item as it is now. @param {object} item */
export function replace(item) {
  items.value = items.value.map((other) => (other.id === item.id ? item : other));
}

/** Takes an item out of the list; gives what puts it back to its place. */
function takeOut(item) {
  const list = reading;
  const place = items.value.findIndex((other) => other.id === item.id);
  leaving.add(item.id);
  batch(() => {
    items.value = items.value.filter((other) => other.id !== item.id);
    total.value -= 1;
  });
  return (returned = item) => {
    if (list !== reading) {  // meanwhile another list is shown
      load();
      return;
    }
    leaving.delete(item.id);
    batch(() => {
      items.value = items.value.toSpliced(place, 0, returned);
      total.value += 1;
    });
  };
}

function short(text) {
  return text.length > 40 ? `${cutAtWord(text, 39)}…` : text;
}
