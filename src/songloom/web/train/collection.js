// One collection of songs: as the server has it, with what is being typed on top, saved as one types.

import { batch, signal } from "../ui/html.js";
import { api } from "../api.js";
import { removeLater } from "./removals.js";

const TYPING_PAUSE = 700;
const LABELS = ["genre", "mood", "instruments", "bpm", "key"];

/**
 * What is shown of a song: the song itself, and how saving it goes.
 * @typedef {object} Row
 * @property {object} song
 * @property {"" | "saving" | "saved" | "failed"} saving
 * @property {string} error
 * @property {boolean} undoable
 */

/** A collection that is open on the page. */
export class Collection {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    /** The collection without its songs; null while it is fetched. */
    this.about = signal(null);
    /** What keeps it from being shown. */
    this.error = signal(null);
    /** The model that is to learn, as the form has it; empty while that is not known. */
    this.model = signal("");
    /** Ids of the songs, in their order. */
    this.order = signal([]);
    /** @type {Map<string, import("../ui/html.js").Signal<Row>>} */
    this.rows = new Map();
    this.unsaved = new Map(); // by song: the changes that the server does not know yet
    this.past = new Map(); // by song: what undoing brings back, the latest last
    this.hidden = new Set(); // songs that are about to be removed
    this.timers = new Map();
    /** Save at once what was typed; resolves when that is done. */
    this.flush = () => Promise.all([...this.unsaved.keys()].map((song) => this.save(song)));
  }

  /** Fetch it, and follow what happens to it. */
  async open() {
    addEventListener("pagehide", this.flush);
    this.error.value = null;
    try {
      const dataset = await api.get(`/v1/datasets/${this.id}`);
      this.take(dataset);
      if (this.closed) return;
      this.stop = api.events(dataset.urls.events, {
        dataset: (whole) => this.take(whole),
        song: (song) => this.takeSong(song),
      });
    } catch (error) {
      this.error.value = error;
    }
  }

  /** Save what is left to save, and follow no more. */
  close() {
    this.closed = true;
    removeEventListener("pagehide", this.flush);
    this.flush();
    this.stop?.();
  }

  /** @param {object} dataset as the server tells it */
  take(dataset) {
    const { songs, ...about } = dataset;
    batch(() => {
      this.about.value = about;
      songs.forEach((song) => this.takeSong(song, false));
      const ids = songs.map((song) => song.id).filter((id) => !this.hidden.has(id));
      if (ids.join() !== this.order.value.join()) this.order.value = ids;
    });
  }

  /**
   * @param {object} song as the server tells it
   * @param {boolean} [listed] whether to list it where it is new
   */
  takeSong(song, listed = true) {
    const shown = changed(song, this.unsaved.get(song.id) ?? {});
    const row = this.rows.get(song.id);
    if (row) row.value = { ...row.value, song: shown };
    else this.rows.set(song.id, signal({ song: shown, saving: "", error: "", undoable: false }));
    if (listed && !this.hidden.has(song.id) && !this.order.value.includes(song.id)) {
      this.order.value = [...this.order.value, song.id];
    }
  }

  /** The songs that are listed. */
  songs() {
    return this.order.value.map((id) => this.rows.get(id).value.song);
  }

  /**
   * Change a song's caption or labels.
   * @param {string} id
   * @param {object} changes  caption, genre, mood, instruments, bpm, key; null clears
   * @param {string} [session]  what belongs together is undone together
   */
  edit(id, changes, session = "") {
    const row = this.rows.get(id);
    const past = this.past.get(id) ?? [];
    if (!session || past.at(-1)?.session !== session) {
      past.push({ session, changes: current(row.value.song, Object.keys(changes)) });
      this.past.set(id, past);
    }
    this.change(id, changes);
  }

  /** Take back the latest change of a song. */
  undo(id) {
    const latest = this.past.get(id)?.pop();
    if (latest) this.change(id, latest.changes);
  }

  change(id, changes) {
    const row = this.rows.get(id);
    const undoable = Boolean(this.past.get(id)?.length);
    row.value = { song: changed(row.value.song, changes), saving: "saving", error: "", undoable };
    this.unsaved.set(id, { ...this.unsaved.get(id), ...changes });
    clearTimeout(this.timers.get(id));
    this.timers.set(id, setTimeout(() => this.save(id), TYPING_PAUSE));
  }

  async save(id) {
    clearTimeout(this.timers.get(id));
    const changes = this.unsaved.get(id);
    if (!changes) return;
    const row = this.rows.get(id);
    try {
      const song = await api.patch(`/v1/datasets/${this.id}/songs/${id}`, changes);
      // What was typed while it was under way stays to be saved.
      if (this.unsaved.get(id) !== changes) return;
      this.unsaved.delete(id);
      this.takeSong(song, false);
      row.value = { ...row.value, saving: "saved" };
    } catch (error) {
      row.value = { ...row.value, saving: "failed", error: error.detail || error.message };
    }
  }

  /** Remove a song, unless one thinks better of it. */
  remove(id) {
    const { file } = this.rows.get(id).value.song;
    const before = this.order.value;
    this.hidden.add(id);
    this.order.value = before.filter((other) => other !== id);
    removeLater(`“${title(file)}” removed`, `/v1/datasets/${this.id}/songs/${id}`, () => {
      this.hidden.delete(id);
      const back = before.filter((other) => other === id || this.order.value.includes(other));
      this.order.value = [...back, ...this.order.value.filter((other) => !before.includes(other))];
    });
  }

  /** @param {string} name */
  async rename(name) {
    const about = this.about.value;
    this.about.value = { ...about, name };
    this.take(await api.patch(`/v1/datasets/${this.id}`, { name }));
  }
}

/**
 * A song's title: its file's name without folders and ending.
 * @param {string} file
 */
export function title(file) {
  return file.split("/").pop().replace(/\.[^.]+$/, "");
}

function changed(song, changes) {
  const labels = { ...song.labels };
  for (const name of LABELS) {
    if (name in changes) labels[name] = changes[name] ?? (Array.isArray(labels[name]) ? [] : null);
  }
  const caption = "caption" in changes ? changes.caption : song.caption;
  return { ...song, caption, labels };
}

function current(song, names) {
  const told = names.map((name) => [name, name === "caption" ? song.caption : song.labels[name]]);
  return Object.fromEntries(told);
}
