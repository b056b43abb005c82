// Where training begins: new songs, the trainings so far, the collections so far.

import { html, signal, useEffect } from "../ui/html.js";
import { api } from "../api.js";
import { Button, IconButton } from "../ui/button.js";
import { Problem } from "../ui/empty.js";
import { clock, moment, plural } from "../ui/format.js";
import { Loading, Progress } from "../ui/progress.js";
import { toastError } from "../ui/toast.js";
import { Chooser } from "./chooser.js";
import { nameFor, sorted } from "./files.js";
import { focusBeside, removeLater } from "./removals.js";
import { upload } from "./uploads.js";
import { STATUS, createWith, isRunning, nameOf } from "./words.js";

const PAGE = 20;
const AGAIN_MS = 3000;
const lists = signal(null); // kept, so that coming back shows them at once
const failure = signal(null);

/** The first page of Train. */
export function Home() {
  useEffect(() => {
    const watch = watching();
    return () => watch.stop();
  }, []);
  const { trainings, datasets, more } = lists.value ?? {};
  const fresh = lists.value && !trainings.length && !datasets.length;
  return html`
    <header class="view-head">
      <h1>Train</h1>
      <p>Teach a model the sound of your songs. Everything stays on this computer.</p>
    </header>
    <div class="stack">
      <${Chooser} onFiles=${begin} />
      ${failure.value && html`<${Problem} title="The trainings can’t be shown">${failure.value.detail}<//>`}
      ${!lists.value && !failure.value && html`<${Loading} />`}
      ${fresh && html`<${Advice} />`}
      ${trainings?.length > 0 && html`
        <section aria-labelledby="trainings-title">
          <h2 id="trainings-title">Trainings</h2>
          <ul class="items">
            ${trainings.map((training) => html`<${TrainingItem} key=${training.id} training=${training} />`)}
          </ul>
          ${more && html`<p><a href="#/library?show=models">All trainings in the library</a></p>`}
        </section>
      `}
      ${datasets?.length > 0 && html`
        <section aria-labelledby="datasets-title">
          <h2 id="datasets-title">Songs</h2>
          <ul class="items">
            ${datasets.map((dataset) => html`<${DatasetItem} key=${dataset.id} dataset=${dataset} />`)}
          </ul>
        </section>
      `}
      ${lists.value && !fresh && html`<details><summary>How to choose and describe songs</summary><${Advice} /></details>`}
    </div>
  `;
}

/** What docs/training.md teaches, in short. */
function Advice() {
  return html`
    <div class="advice">
      <div>
        <h3>How many songs?</h3>
        <p>
          One is enough to start; ten or more are better. With four or more, one in ten is kept aside to measure the
          result. Songs that share a sound teach that sound.
        </p>
      </div>
      <div>
        <h3>Which songs?</h3>
        <p>
          Your own, or songs you have permission to use. The model can’t learn to sing, so instrumentals work best.
        </p>
      </div>
      <div>
        <h3>Describe them</h3>
        <p>
          The model learns to connect words with sounds. Describe each song as you would ask for it later: “Clockwork
          waltz: a celesta melody over plucked strings, A minor”. Use the same words for what the songs share. A
          text file beside a song (waltz.txt for waltz.mp3) becomes its description.
        </p>
      </div>
      <div>
        <h3>Just trying it out?</h3>
        <p>
          Four songs and the Quick setting are enough for a first impression. The songloom source code includes
          eight short example songs in examples/songs.
        </p>
      </div>
    </div>
  `;
}

function TrainingItem({ training }) {
  const running = isRunning(training);
  return html`
    <li class="card item">
      <a class="item-link" href=${`#/trainings/${training.id}`}>
        <strong>${nameOf(training)}</strong>
        <span class="muted">${training.input?.model ?? training.model} · ${moment(training.created_at)}</span>
      </a>
      <span class=${`status status-${training.status}`}>${STATUS[training.status]}</span>
      ${training.status === "succeeded" && html`<${Button} small href=${createWith(training)}>Use this model<//>`}
      ${running && html`<${Progress} value=${training.share} label=${`Training ${nameOf(training)}`} />`}
    </li>
  `;
}

function DatasetItem({ dataset }) {
  const remove = (event) => {
    focusBeside(event.currentTarget);
    const before = lists.value;
    hidden.add(dataset.id);
    lists.value = { ...before, datasets: before.datasets.filter(({ id }) => id !== dataset.id) };
    removeLater(`“${dataset.name}” removed`, `/v1/datasets/${dataset.id}`, () => {
      hidden.delete(dataset.id);
      lists.value = { ...lists.value, datasets: before.datasets };
    });
  };
  const { songs, seconds } = dataset;
  return html`
    <li class="card item">
      <a class="item-link" href=${`#/train/${dataset.id}`}>
        <strong>${dataset.name}</strong>
        <span class="muted">
          ${[plural(songs.length, "song"), seconds > 0 && clock(seconds), moment(dataset.created_at)].filter(Boolean).join(" · ")}
        </span>
      </a>
      <${IconButton} icon="trash" label=${`Remove ${dataset.name}`} onClick=${remove} />
    </li>
  `;
}

const hidden = new Set(); // collections that are about to be removed

async function begin(files) {
  const { usable } = sorted(files);
  if (!usable.length) {
    toastError("No songs were found. Choose WAV, FLAC, MP3, Ogg or M4A files, or a ZIP of them.");
    return;
  }
  try {
    const dataset = await api.post("/v1/datasets", { name: nameFor(files) });
    location.hash = `#/train/${dataset.id}`;
    await upload(dataset.id, files);
  } catch (error) {
    toastError(error);
  }
}

/** Keeps the lists up to date while they are looked at. */
function watching() {
  let stopped = false, timer;
  const look = async () => {
    try {
      const [library, datasets] = await Promise.all([
        api.get(`/v1/library?kind=training&limit=${PAGE}`),
        api.get("/v1/datasets"),
      ]);
      if (stopped) return;
      failure.value = null;
      lists.value = {
        trainings: library.results,
        more: Boolean(library.next),
        datasets: datasets.results.filter(({ id }) => !hidden.has(id)),
      };
      if (library.results.some(isRunning)) timer = setTimeout(look, AGAIN_MS);
    } catch (error) {
      if (stopped) return;
      failure.value = error;
      if (error.status === 0) timer = setTimeout(look, AGAIN_MS); // it may be started again
    }
  };
  look();
  return { stop: () => { stopped = true; clearTimeout(timer); } };
}
