// Where songs come in: a folder, files or an archive, dropped or chosen.

import { html } from "../ui/html.js";
import { DropZone } from "../ui/dropzone.js";
import { Icon } from "../ui/icon.js";
import { ACCEPTED } from "./files.js";

/**
 * @param {{onFiles: (files: import("./files.js").ChosenFile[]) => void, compact?: boolean}} props
 */
export function Chooser({ onFiles, compact }) {
  const choose = (event) => {
    const files = [...event.currentTarget.files].map((file) => ({ path: file.name, file }));
    event.currentTarget.value = "";
    if (files.length) onFiles(files);
  };
  return html`
    <div class="chooser">
      <${DropZone} folder compact=${compact} label="Choose a folder of songs" onFiles=${onFiles}>
        <label class="dropzone-label">
          <${Icon} name="upload" />
          <span>Choose files or an archive</span>
          <input class="unseen" type="file" multiple accept=${ACCEPTED} onChange=${choose} />
        </label>
        <p class="field-help">
          Or drop them here: wav, flac, mp3, ogg, m4a and more, or a zip or tar of them. They stay on the machine
          songloom runs on.
        </p>
      <//>
    </div>
  `;
}
