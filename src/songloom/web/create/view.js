// Create: the form, and what came of it.
import { online } from "../api.js";
import { Button } from "../ui/button.js";
import { Card } from "../ui/card.js";
import { droppedFiles } from "../ui/dropzone.js";
import { Problem } from "../ui/empty.js";
import { classes, html, useEffect, useSignal, useSignalEffect } from "../ui/html.js";
import { Loading } from "../ui/progress.js";
import { toastError } from "../ui/toast.js";
import { cardActions } from "./actions.js";
import { Example } from "./example.js";
import { Form } from "./form.js";
import { announced, cancel, followLibrary, loadPieces, pieces, remove } from "./jobs.js";
import { takeFile } from "./source.js";
import { fields, loadFields } from "./schema.js";
import { choose, loadModels } from "./state.js";

/** @param {{route: {query: URLSearchParams}}} props `?model=` chooses one */
export default function Create({ route }) {
  const trouble = useSignal(null);
  const shown = trouble.value?.status === 0 ? null : trouble.value;  // the shell tells of a server that is gone
  const load = async () => {
    trouble.value = null;
    try {
      await Promise.all([loadFields(), loadPieces(), loadModels()]);
    } catch (error) {
      trouble.value = error;
    }
  };
  useEffect(() => {
    load();
    return followLibrary();
  }, []);
  useSignalEffect(() => {
    if (online.value && trouble.peek()?.status === 0) load();  // it answers again
  });
  useEffect(() => {
    const name = route.query.get("model");
    if (name) choose(name);
  }, [route]);
  const drop = async (event) => {
    event.preventDefault();
    const [first] = await droppedFiles(event.dataTransfer);
    if (first) takeFile(first.file);
  };
  return html`<div class="view create" onDrop=${drop}>
    <h1>What would you like to hear?</h1>
    ${shown && html`<${Problem}
      title=${shown.title ?? "Something went wrong"}
      action=${html`<${Button} icon="again" onClick=${load}>Try again<//>`}
    >${shown.detail ?? shown.message}<//>`}
    <div class="create-columns">
      ${fields.value ? html`<${Form} />` : !shown && html`<div class="create-form card"><${Loading} /></div>`}
      <section
        id="results" class=${classes("results", pieces.value?.length === 0 && "results-first")}
        aria-labelledby="results-title"
      >
        <${Results} />
      </section>
    </div>
    <p class="unseen" role="status">${announced.value}</p>
  </div>`;
}

function Results() {
  if (pieces.value === null) return html`<h2 id="results-title" class="unseen">Latest</h2>`;
  if (!pieces.value.length) {
    return html`
      <h2 id="results-title" tabindex="-1">How it sounds</h2>
      <${Example} />
      <p class="muted results-hint">
        Your music appears here and stays in your library. Describe something or pick an example,
        then press Create. With nano it takes a few seconds.
      </p>
    `;
  }
  return html`
    <div class="results-head">
      <h2 id="results-title" tabindex="-1">Latest</h2>
      <a href="#/library">View library</a>
    </div>
    ${pieces.value.map((piece) => html`<${Piece} key=${piece.id} piece=${piece} />`)}
  `;
}

function Piece({ piece }) {
  const guarded = (act) => (item) => act(item).catch(toastError);
  const removeFocused = (item) => {
    const card = [...document.querySelectorAll("#results > article")].find((one) => one.dataset.id === item.id);
    const beside = card?.nextElementSibling ?? card?.previousElementSibling;
    guarded(remove)(item).then(() => requestAnimationFrame(() => {
      if (card?.isConnected) return;  // it could not be deleted
      const next = beside?.isConnected && beside.querySelector(".piece-tools button");
      (next || document.getElementById("results-title"))?.focus();
    }));
  };
  return html`<${Card}
    item=${piece.item.value} live=${piece.live.value} actions=${cardActions}
    onChange=${(item) => { piece.item.value = item; }} onCancel=${guarded(cancel)} onRemove=${removeFocused}
  />`;
}
