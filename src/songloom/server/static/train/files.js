// What people drop or choose: what of it can be used, in what order, and a name for it.

const SONG = /\.(wav|flac|mp3|ogg|opus|m4a|mp4|aac|aiff?)$/i;
const WORDS = /\.(txt|json)$/i;
const ARCHIVE = /\.(zip|tar|tgz|gz|bz2|xz)$/i;

/**
 * @typedef {object} ChosenFile
 * @property {string} path  with the folders it lay in: "album/waltz.mp3"
 * @property {File} file
 */

/**
 * What of it can be used, each song followed by the words beside it, and what is left aside.
 * @param {ChosenFile[]} files
 * @returns {{usable: ChosenFile[], aside: string[]}}
 */
export function sorted(files) {
  const seen = files.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX"));
  const usable = seen.filter(({ path }) => SONG.test(path) || WORDS.test(path) || ARCHIVE.test(path));
  const order = (path) => `${path.replace(/\.[^./]+$/, "").toLowerCase()} ${WORDS.test(path) ? 1 : 0}`;
  usable.sort((one, other) => order(one.path).localeCompare(order(other.path), undefined, { numeric: true }));
  const kept = new Set(usable);
  return { usable, aside: seen.filter((file) => !kept.has(file)).map(({ path }) => path) };
}

/**
 * A name for a collection: the folder's or the archive's, else the day's.
 * @param {ChosenFile[]} files
 * @returns {string}
 */
export function nameFor(files) {
  const folders = new Set(files.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [folder] = folders;
  if (folders.size === 1 && folder) return folder;
  if (files.length === 1) return files[0].path.split("/").pop().replace(/(\.tar)?\.[^.]+$/, "");
  return `Songs of ${new Date().toLocaleDateString(undefined, { day: "numeric", month: "long" })}`;
}

/** For the file chooser. */
export const ACCEPTED = "audio/*,.wav,.flac,.mp3,.ogg,.opus,.m4a,.mp4,.aac,.aif,.aiff,.txt,.json,.zip,.tar,.tgz,.gz";
