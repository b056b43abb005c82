// What people drop or choose: what of it can be used, in what order, and a name for it.

// As in dataset/files.py, which a test holds.
const ENDINGS = "wav wave bwf w64 aif aiff aifc caf au snd flac mp3 mp2 mpga ogg oga opus spx m4a m4b m4r mp4 m4v mov 3gp 3g2 aac adts "
  + "mka mkv webm weba wma wmv asf avi flv mpg mpeg mts m2ts amr ac3 eac3 ape wv tta dsf";
const SONG = new RegExp(`\\.(${ENDINGS.replaceAll(" ", "|")})$`, "i");
/** What systems leave behind, and nobody meant to give. */
const LEFT_BEHIND = /^(\._.*|\.ds_store|__macosx|thumbs\.db|desktop\.ini|\.localized|@eadir|\$recycle\.bin|\.appledouble|\.directory)$/i;
/** Hidden by a dot; "...And Justice For All" is a title. */
const HIDDEN = /^\.(?!\.)/;
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
  const seen = files.filter(({ path }) => !path.split("/").some((part) => LEFT_BEHIND.test(part)));
  const usable = seen.filter(({ path }) => (SONG.test(path) || WORDS.test(path) || ARCHIVE.test(path))
    && !path.split("/").some((part) => HIDDEN.test(part)));
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
export const ACCEPTED = `audio/*,.${ENDINGS.replaceAll(" ", ",.")},.txt,.json,.zip,.tar,.tgz,.gz`;
