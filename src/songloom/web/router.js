// Addresses within the page: #/create, #/library, #/train/ID, #/predictions/ID, ...
import { signal } from "./ui/html.js";

const VIEWS = ["create", "train", "library", "settings"];
const OWNERS = { predictions: "library", trainings: "train" };

/** Where the page is: {view, kind, id, query}. `kind` and `id` name an item of the library;
 *  without a kind, `id` is a place within the view, and null where none is named. */
export const route = signal(read());

/**
 * Goes somewhere else in the page.
 * @param {string} hash such as "#/library"
 */
export function go(hash) {
  location.hash = hash;
}

addEventListener("hashchange", () => {
  route.value = read();
});

/** A part of an address; as it stands where its percent signs encode nothing. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, id] = path.split("/").map(decoded);
  const owned = Object.hasOwn(OWNERS, first);
  const view = VIEWS.includes(first) ? first : owned ? OWNERS[first] : "create";
  const kind = owned ? first.slice(0, -1) : null;
  return { view, kind, id: id || null, query: new URLSearchParams(query) };
}
