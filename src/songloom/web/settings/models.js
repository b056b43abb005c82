// The models on this machine, and those that can be fetched.

import { html, signal, useEffect, useId, useState } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { confirm } from "../ui/dialog.js";
import { Problem } from "../ui/empty.js";
import { bytes, message } from "../ui/format.js";
import { Loading, Progress } from "../ui/progress.js";
import { useRecovery } from "../ui/recovery.js";
import { toast, toastError } from "../ui/toast.js";
import { nonCommercial } from "./licence.js";

const models = signal(null);
const failure = signal(null);

/** All models: included, here, and to be had. */
export function Models() {
  useEffect(() => {
    let closed = false, stop;
    load().then(() => {
      if (!closed) stop = api.events("/v1/checkpoints/events", { checkpoint: take });
    });
    return () => {
      closed = true;
      stop?.();
    };
  }, []);
  useRecovery(failure.value, load);
  if (failure.value) return html`<${Problem} title="The models can’t be listed">${failure.value.detail}<//>`;
  if (!models.value) return html`<${Loading} />`;
  const here = models.value.filter((model) => model.installed || model.included);
  const others = models.value.filter((model) => !model.installed && !model.included);
  return html`
    <ul class="models">${here.map((model) => html`<${Model} key=${model.name} model=${model} />`)}</ul>
    ${others.length > 0 && html`
      <h3>To download</h3>
      <p class="muted">
        The official MusicGen models know much more music than nano. Larger models sound better but need more memory and time;
        for medium and above, a graphics card helps a lot.
      </p>
      <ul class="models">${others.map((model) => html`<${Model} key=${model.name} model=${model} />`)}</ul>
    `}
  `;
}

function Model({ model }) {
  const id = useId();
  return html`
    <li class="model" aria-labelledby=${id}>
      <div class="model-text">
        <strong id=${id}>${model.name}</strong>
        <p class="muted">${model.description}${model.parameters && ` ${model.parameters} parameters.`}</p>
        <p class="muted">${size(model)}${" · "}<${Licence} model=${model} /></p>
        ${model.error && html`<${Fault} model=${model} />`}
      </div>
      <${Action} model=${model} />
    </li>
  `;
}

/** What is wrong with a model, and what to do; the words of programs are folded away. */
function Fault({ model }) {
  return html`
    <p class="danger" role="alert">
      ${model.trained
        ? "Some files of this model are missing. Train it again, or remove it."
        : `${model.name} could not be downloaded. Check your internet connection and the free space on your disk, then try again; the part that has arrived is kept.`}
    </p>
    <details><summary>Technical details</summary><p class="muted">${message(model.error)}</p></details>
  `;
}

function Licence({ model }) {
  const name = model.licence_url
    ? html`<a href=${model.licence_url} target="_blank" rel="noopener">${model.licence}</a>`
    : model.licence;
  return html`<span>Licence: ${name}${model.non_commercial && html` (<strong>not for commercial use</strong>)`}</span>`;
}

/** What can be done with a model now. */
function Action({ model }) {
  const [busy, setBusy] = useState(false);
  const act = (action) => async () => {
    setBusy(true);
    await action(model).catch(toastError);
    setBusy(false);
  };
  if (model.download) {
    const { done, total } = model.download;
    return html`
      <div class="model-download">
        <${Progress} value=${total ? done / total : null} label=${`Downloading ${model.name}`}
          note=${total ? `${bytes(done)} of ${bytes(total)}` : "Starting"} />
        <${Button} small busy=${busy} onClick=${act(cancel)}>
          Cancel<span class="unseen"> the download of ${model.name}</span>
        <//>
      </div>
    `;
  }
  if (model.included) return html`<p class="muted">Included</p>`;
  if (model.installed) {
    return html`<${Button} small icon="trash" busy=${busy} onClick=${act(remove)}>
      Remove<span class="unseen"> ${model.name}</span>
    <//>`;
  }
  return html`<${Button} small icon="download" busy=${busy} onClick=${act(download)}>
    ${model.error ? "Try again" : "Download"}<span class="unseen"> ${model.name}</span>
  <//>`;
}

async function download(model) {
  if (model.non_commercial && !(await confirm(nonCommercial(model)))) return;
  take(await api.post(`/v1/checkpoints/${model.name}/download`));
}

async function cancel(model) {
  take(await api.post(`/v1/checkpoints/${model.name}/cancel`));
}

async function remove(model) {
  const meant = await confirm({
    title: `Remove ${model.name}?`,
    text: model.trained
      ? "It was trained here and can’t be downloaded again. To be able to undo this, delete its training in the library "
        + "instead."
      : `This frees ${bytes(model.size_bytes)}. You can download it again at any time.`,
    action: "Remove",
    danger: true,
  });
  if (!meant) return;
  await api.del(`/v1/checkpoints/${model.name}`);
  toast(`${model.name} was removed.`);
  await load();
}

async function load() {
  try {
    models.value = (await api.get("/v1/checkpoints")).results;
    failure.value = null;
  } catch (error) {
    failure.value = error;
  }
}

function take(model) {
  if (!model?.name || !models.value) return;
  const others = models.value.some((other) => other.name === model.name);
  models.value = others
    ? models.value.map((other) => (other.name === model.name ? model : other))
    : [...models.value, model];
}

function size(model) {
  if (model.installed || model.included) return `${bytes(model.size_bytes)} on disk`;
  return model.download_bytes ? `${bytes(model.download_bytes)} to download` : "size shown when the download starts";
}
