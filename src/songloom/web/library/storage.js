// What songloom keeps on the disk, and how to take it along.
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { bytes } from "../ui/format.js";
import { html, useEffect, useSignal } from "../ui/html.js";

const PARTS = {
  results_bytes: "Music",
  trained_bytes: "Trained models",
  datasets_bytes: "Songs to train on",
  uploads_bytes: "Uploaded recordings",
  downloaded_bytes: "Downloaded models",
  bin_bytes: "In the bin",
};

/** @param {{after: unknown}} props asked again whenever `after` is another */
export function Storage({ after }) {
  const storage = useSignal(null);
  useEffect(() => {
    api.get("/v1/storage").then((told) => { storage.value = told; }, () => {});
  }, [after]);
  const told = storage.value;
  if (!told) return null;
  const parts = Object.keys(PARTS).filter((part) => told[part] > 0);
  const used = parts.reduce((sum, part) => sum + told[part], 0);
  return html`<details class="library-storage">
    <summary><span>${bytes(used)} used · ${bytes(told.free_bytes)} free</span></summary>
    <div class="card">
      <div class="library-shares" aria-hidden="true">
        ${parts.map((part) => html`<i key=${part} class=${`share-${part}`} style=${{ flexGrow: told[part] / used }}></i>`)}
      </div>
      <dl>
        ${parts.map((part) => html`<div key=${part}>
          <dt><i class=${`share-${part}`}></i>${PARTS[part]}</dt><dd>${bytes(told[part])}</dd>
        </div>`)}
      </dl>
      <p class="muted">Everything is stored on this computer only.</p>
      <${Button} small icon="download" href=${api.url(told.urls.export_music ?? told.urls.export)} download>Export all music<//>
      <p class="field-help">A ZIP file with every recording by name and a list of how each was made.</p>
    </div>
  </details>`;
}
