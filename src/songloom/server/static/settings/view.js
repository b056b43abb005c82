import { html } from "../ui/html.js";
import { Empty } from "../ui/empty.js";

export default function View() {
  return html`<div class="view"><h1>Settings</h1><${Empty} title="Soon" /></div>`;
}
