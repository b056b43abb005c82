// The library: everything that was made here.
import { ended } from "../status.js";
import { Button } from "../ui/button.js";
import { confirm } from "../ui/dialog.js";
import { Empty, Problem } from "../ui/empty.js";
import { plural } from "../ui/format.js";
import { html, useEffect, useRef } from "../ui/html.js";
import { Icon } from "../ui/icon.js";
import { Loading } from "../ui/progress.js";
import { useRecovery } from "../ui/recovery.js";
import {
  SHELVES, emptyBin, hasMore, items, load, more, only, refresh, shelf, state, total, words,
} from "./items.js";
import { Row } from "./row.js";
import { Storage } from "./storage.js";

const TYPING_MS = 200;
const RUNNING_MS = 2000;

/** @param {{route: {kind: string|null, id: string|null, query: URLSearchParams}}} props */
export default function Library({ route }) {
  useEffect(() => {
    only.value = route.kind && route.id;
    const show = route.query.get("show");
    shelf.value = Object.hasOwn(SHELVES, show) ? show : "all";
    words.value = route.query.get("q") ?? "";
    load();
  }, [route]);
  useLooking();
  useRecovery(state.value instanceof Error ? state.value : null, load);
  return html`<div class="view library">
    <div class="library-head">
      <h1>Library</h1>
      <${Storage} after=${total.value} />
    </div>
    ${only.value === null
      ? html`<${Search} /><${Shelves} />`
      : html`<p><${Button} kind="quiet" small icon="back" href="#/library">Show the whole library<//></p>`}
    <p class="unseen" role="status">${state.value === "ready" ? plural(total.value, "item") : ""}</p>
    <${Content} />
  </div>`;
}

/** Looks again while something runs, and when the page is come back to. */
function useLooking() {
  const running = items.value.some((item) => !ended(item));
  useEffect(() => {
    const look = () => { if (!document.hidden) refresh(); };
    const timer = running ? setInterval(look, RUNNING_MS) : undefined;
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [running]);
}

function Search() {
  const timer = useRef(undefined);
  const type = (event) => {
    words.value = event.currentTarget.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      history.replaceState(null, "", address(shelf.value));
      load();
    }, TYPING_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<div class="library-search" role="search">
    <${Icon} name="search" />
    <input
      class="input" type="search" aria-label="Search names and descriptions" placeholder="Search names and descriptions"
      value=${words.value} onInput=${type}
    />
  </div>`;
}

function Shelves() {
  return html`<nav class="library-shelves" aria-label="What to show">
    ${Object.entries(SHELVES).map(([name, { label }]) => html`<a
      key=${name} href=${address(name)} aria-current=${name === shelf.value ? "true" : undefined}
    >${label}</a>`)}
  </nav>`;
}

/** Where a shelf is found in the page, so that it can be gone back to. */
function address(name) {
  const query = new URLSearchParams();
  if (name !== "all") query.set("show", name);
  if (words.value.trim()) query.set("q", words.value.trim());
  return query.size ? `#/library?${query}` : "#/library";
}

function Content() {
  if (state.value instanceof Error) {
    if (only.value !== null && state.value.status === 404) {
      return html`<${Problem}
        title="This is no longer in the library"
        action=${html`<${Button} href="#/library">Show the whole library<//>`}
      >It may have been deleted, or the link may be incomplete.<//>`;
    }
    return html`<${Problem}
      title="The library can’t be shown"
      action=${html`<${Button} icon="again" onClick=${load}>Try again<//>`}
    >${state.value.detail ?? state.value.message}<//>`;
  }
  if (state.value === "loading" && total.value === null) return html`<${Loading} />`;
  if (!items.value.length) return state.value === "loading" ? html`<${Loading} />` : html`<${Nothing} />`;
  return html`
    ${shelf.value === "bin" && html`<${BinNote} />`}
    <ul class="library-list card" aria-busy=${state.value === "loading" ? "true" : undefined}>
      ${items.value.map(rowOf)}
    </ul>
    ${hasMore() && html`<${Further} />`}
  `;
}

const rows = new WeakMap();

/** The same element for the same item, so that a change of one draws no other again. */
function rowOf(item) {
  if (!rows.has(item)) {
    rows.set(item, html`<${Row} key=${item.id} item=${item} opened=${item.id === only.value} />`);
  }
  return rows.get(item);
}

/** Reads the next page when the end of the list comes near; also by hand. */
function Further() {
  const place = useRef(null);
  useEffect(() => {
    const watcher = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && more(), { rootMargin: "1200px" },
    );
    watcher.observe(place.current);
    return () => watcher.disconnect();
  }, [items.value.length]);
  return html`<div class="library-further" ref=${place}>
    <${Button} onClick=${more} busy=${state.value === "more"}>Show more<//>
  </div>`;
}

function BinNote() {
  const empty = async () => {
    const sure = await confirm({
      title: "Empty the bin?", text: "Everything in it is deleted permanently, including trained models.",
      action: "Empty the bin", danger: true,
    });
    if (sure) emptyBin();
  };
  return html`<div class="library-bin">
    <p class="muted">Items are deleted permanently after 30 days.</p>
    <${Button} kind="danger" small icon="trash" onClick=${empty}>Empty the bin<//>
  </div>`;
}

function Nothing() {
  if (words.value.trim()) {
    return html`<${Empty} icon="search" title=${`No results for “${words.value.trim()}”`}>
      The search covers names and descriptions. Try fewer words, or another filter.
    <//>`;
  }
  const { icon, title, text, action } = NOTHING[shelf.value];
  return html`<${Empty} icon=${icon} title=${title} action=${action}>${text}<//>`;
}

const create = html`<${Button} kind="primary" icon="create" href="#/create">Create music<//>`;
const NOTHING = {
  all: {
    icon: "library", title: "Nothing here yet", action: create,
    text: "Everything you create and train is kept here until you delete it.",
  },
  music: { icon: "create", title: "No music yet", action: create, text: "Describe what you would like to hear." },
  models: {
    icon: "train", title: "No trained models yet",
    action: html`<${Button} kind="primary" icon="train" href="#/train">Train on your songs<//>`,
    text: "A model trained on your songs writes music in their style.",
  },
  favourites: { icon: "heart", title: "No favourites yet", text: "Tap the heart next to anything you like to find it here." },
  bin: { icon: "trash", title: "The bin is empty", text: "Deleted items stay here for 30 days in case you want them back." },
};
