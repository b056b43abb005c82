import { classes, html, useId, useState } from "./html.js";
import { Icon } from "./icon.js";

/**
 * A place for files: they are dropped there, or chosen.
 * @param {{label: any, help?: any, accept?: string, multiple?: boolean, folder?: boolean,
 *   disabled?: boolean, compact?: boolean, onFiles: (files: {file: File, path: string}[]) => void,
 *   children?: any}} props `folder` lets one choose a whole folder; paths are below it
 */
export function DropZone({ label, help, accept, multiple, folder, disabled, compact, onFiles, children }) {
  const id = useId();
  const [over, setOver] = useState(false);
  const hand = (files) => files.length && onFiles(multiple || folder ? files : files.slice(0, 1));
  const drop = async (event) => {
    event.preventDefault();
    event.stopPropagation();  // what lies below may take files as well
    setOver(false);
    if (!disabled) hand(await droppedFiles(event.dataTransfer));
  };
  const drag = (event) => {
    event.preventDefault();
    setOver(!disabled);
  };
  const choose = (event) => {
    const files = [...event.currentTarget.files];
    event.currentTarget.value = "";
    hand(files.map((file) => ({ file, path: file.webkitRelativePath || file.name })));
  };
  return html`<div
    class=${classes("dropzone", over && "dropzone-over", compact && "dropzone-compact")}
    onDragOver=${drag} onDragEnter=${drag} onDragLeave=${() => setOver(false)} onDrop=${drop}
  >
    <label class="dropzone-label">
      <${Icon} name=${folder ? "folder" : "upload"} />
      <span>${label}</span>
      <input
        id=${id} class="unseen" type="file" accept=${accept} multiple=${multiple || folder}
        webkitdirectory=${folder || undefined} disabled=${disabled} onChange=${choose}
        aria-describedby=${help ? `${id}-help` : undefined}
      />
    </label>
    ${help && html`<p class="field-help" id=${`${id}-help`}>${help}</p>`}
    ${children}
  </div>`;
}

/**
 * All files that were dropped, those in folders with their paths.
 * @param {DataTransfer} transfer
 * @returns {Promise<{file: File, path: string}[]>}
 */
export async function droppedFiles(transfer) {
  // Entries must be taken before the first pause: the browser clears the transfer then.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) await collect(entry, "", found);
  return found;
}

async function collect(entry, above, found) {
  const path = above ? `${above}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {  // a reader gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const one of some) await collect(one, path, found);
  }
}
