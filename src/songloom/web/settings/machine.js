// What songloom runs on, and what it takes of the disk.

import { html, useEffect, useSignal } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { Problem } from "../ui/empty.js";
import { bytes } from "../ui/format.js";
import { Loading } from "../ui/progress.js";
import { useRecovery } from "../ui/recovery.js";

const PARTS = [
  ["results_bytes", "Music"],
  ["trained_bytes", "Trained models"],
  ["datasets_bytes", "Songs to train on"],
  ["uploads_bytes", "Uploaded recordings"],
  ["downloaded_bytes", "Downloaded models"],
  ["bin_bytes", "In the bin"],
];

/** Devices, folder and storage. */
export function Machine() {
  const told = useSignal(null);
  const failure = useSignal(null);
  const load = () => Promise.all([api.get("/v1/machine"), api.get("/v1/storage")]).then(
    ([machine, storage]) => {
      told.value = { machine, storage };
      failure.value = null;
    },
    (error) => { failure.value = error; },
  );
  useEffect(() => { load(); }, []);
  useRecovery(failure.value, load);
  if (failure.value) return html`<${Problem} title="This computer’s details can’t be shown">${failure.value.detail}<//>`;
  if (!told.value) return html`<${Loading} />`;
  const { machine, storage } = told.value;
  return html`
    <dl class="facts">
      ${machine.devices.map((device) => html`
        <div>
          <dt>Runs on</dt>
          <dd>${device.description || unready(device)}${device.memory_gb && `, ${device.memory_gb} GB of memory`}</dd>
        </div>
      `)}
      <div><dt>Default model</dt><dd>${machine.model}</dd></div>
      <div><dt>Files are stored in</dt><dd><code>${machine.folder}</code></dd></div>
      <div><dt>Version</dt><dd>${machine.version}</dd></div>
    </dl>
    <${Storage} storage=${storage} />
  `;
}

function unready({ name }) {
  return `${name === "auto" ? "a device" : name} (starting)`;
}

function Storage({ storage }) {
  const parts = PARTS.map(([name, label]) => ({ name, label, size: storage[name] ?? 0 })).filter(({ size }) => size > 0);
  const used = parts.reduce((total, { size }) => total + size, 0);
  return html`
    <h3>Storage</h3>
    <p>${bytes(used)} used; ${bytes(storage.free_bytes)} free.</p>
    ${used > 0 && html`
      <div class="storage-bar" aria-hidden="true">
        ${parts.map(({ name, size }) => html`<span class=${`part-${name}`} style=${{ flexGrow: size / used }}></span>`)}
      </div>
      <ul class="storage-parts">
        ${parts.map(({ name, label, size }) => html`
          <li><span class=${`dot part-${name}`} aria-hidden="true"></span>${label}<span class="muted">${bytes(size)}</span></li>
        `)}
      </ul>
    `}
    <div class="row">
      <${Button} icon="library" href="#/library">Manage in the library<//>
      <${Button} icon="download" href=${api.url(storage.urls.export)} download>Export everything<//>
    </div>
  `;
}
