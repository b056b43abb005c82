// One collection of songs: what came in, what is said about each song, and the training that uses them.

import { html } from "../ui/html.js";
import { Button } from "../ui/button.js";
import { Problem } from "../ui/empty.js";
import { bytes, clock, plural } from "../ui/format.js";
import { Loading, Progress } from "../ui/progress.js";
import { toastError } from "../ui/toast.js";
import { Chooser } from "./chooser.js";
import { Collection } from "./collection.js";
import { useOpened } from "./opened.js";
import { Song } from "./song.js";
import { Start } from "./start.js";
import { useTyping } from "./typing.js";
import { clearUpload, stopUpload, upload, uploadOf } from "./uploads.js";

/**
 * @param {{id: string}} props
 */
export function CollectionPage({ id }) {
  const collection = useOpened(() => new Collection(id));
  const error = collection.error.value;
  if (error) {
    const gone = error.status === 404;
    return html`<${Problem}
      title=${gone ? "These songs no longer exist" : "The songs can’t be shown"}
      action=${html`<${Button} href="#/train">Back to Train<//>`}
    >${gone ? "They may have been removed. Trainings that used them keep what they need." : error.detail || error.message}<//>`;
  }
  if (!collection.about.value) return html`<${Loading} label="Loading the songs" />`;
  const state = uploadOf(id).value;
  const uploading = Boolean(state && !state.ended);
  return html`
    <header class="view-head collection-head">
      <a class="back" href="#/train">All trainings</a>
      <${Name} collection=${collection} />
      <p class="muted"><${Summary} collection=${collection} /></p>
      <${Button} class="to-start" icon="down" onClick=${toStart}>Name, model and training<//>
    </header>
    <div class="collection">
      <section class="songs" aria-label="Songs">
        ${state && html`<${Arriving} id=${id} state=${state} />`}
        <ol class="song-list">
          ${collection.order.value.map((song) => html`<${Song} key=${song} collection=${collection} id=${song} />`)}
        </ol>
        ${!collection.order.value.length && !uploading && html`
          <p class="muted">No songs yet. Add some here.</p>
        `}
        <${Chooser} compact onFiles=${(files) => upload(id, files)} />
      </section>
      <aside>
        <${Start} collection=${collection} uploading=${uploading} />
      </aside>
    </div>
  `;
}

/** On narrow screens the form that starts a training is below all songs. */
function toStart() {
  const heading = document.getElementById("start-title");
  heading.scrollIntoView();
  heading.focus({ preventScroll: true });
}

function Name({ collection }) {
  const typing = useTyping(collection.about.value.name);
  const rename = async (event) => {
    const name = event.currentTarget.value.trim();
    if (!name || name === collection.about.value.name) {
      event.currentTarget.value = collection.about.value.name;
      return;
    }
    await collection.rename(name).catch(toastError);
  };
  const keys = (event) => event.key === "Enter" && event.currentTarget.blur();
  return html`
    <h1 class="unseen">${collection.about.value.name}</h1>
    <input class="name-input" aria-label="Name of these songs" maxlength="100"
      ...${typing()} onChange=${rename} onKeyDown=${keys} />
  `;
}

function Summary({ collection }) {
  const songs = collection.songs();
  const seconds = songs.reduce((total, song) => total + (song.seconds ?? 0), 0);
  const described = songs.filter((song) => song.caption).length;
  const bad = songs.filter((song) => song.status === "failed").length;
  return [
    plural(songs.length, "song"),
    seconds > 0 && clock(seconds),
    songs.length > 0 && `${described} described`,
    bad > 0 && `${bad} unusable`,
  ].filter(Boolean).join(" · ");
}

/** What is on its way, and what could not be used. */
function Arriving({ id, state }) {
  const { sent, total, done, files, current, ended, skipped, aside } = state;
  if (ended && !skipped.length && !aside.length) return null;
  return html`
    <div class="card arriving">
      ${!ended && html`
        <${Progress} value=${total ? sent / total : null} label="Uploading"
          note=${`Uploading ${Math.min(done + 1, files)} of ${files}: ${current} (${bytes(sent)} of ${bytes(total)})`} />
        <${Button} small icon="close" onClick=${() => stopUpload(id)}>Stop uploading<//>
      `}
      ${skipped.length > 0 && html`
        <div role="alert">
          <h3>${plural(skipped.length, "file")} could not be used</h3>
          <ul class="skipped">
            ${skipped.map(({ file, reason }) => html`<li><strong>${file}</strong>: ${reason}</li>`)}
          </ul>
          ${done > skipped.length && html`<p class="muted">The others are used.</p>`}
        </div>
      `}
      ${aside.length > 0 && html`
        <p class="muted">Skipped because ${aside.length === 1 ? "it is not a song" : "they are not songs"}: ${named(aside)}.</p>
      `}
      ${ended && html`<${Button} small icon="check" onClick=${() => clearUpload(id)}>OK<//>`}
    </div>
  `;
}

/** A few of the paths, and how many more there are. */
function named(paths) {
  const shown = paths.slice(0, 5).join(", ");
  return paths.length > 5 ? `${shown} and ${paths.length - 5} more` : shown;
}
