// How programs reach this server: its documents, and code for what the form of Create now shows.

import { html, useEffect, useSignal } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { Segmented } from "../ui/field.js";
import { Copyable } from "./copyable.js";
import { snippet } from "./snippets.js";
import { shownRequest } from "./shown_request.js";

const LANGUAGES = [
  { value: "python", label: "Python" },
  { value: "javascript", label: "JavaScript" },
  { value: "curl", label: "curl" },
];
const NEEDS = {
  python: html`With Replicate's client: <code>pip install replicate</code>.`,
  javascript: html`With Replicate's client: <code>npm install replicate</code>.`,
  curl: html`In a terminal. It returns when the piece is finished.`,
};

/** For those who write programs. */
export function Programs() {
  const language = useSignal("python");
  const required = useSignal(false);
  useEffect(() => {
    api.get("/v1/machine").then((machine) => { required.value = machine.tokens_required; }, () => {});
  }, []);
  const text = snippet(language.value, { base: api.url("/").replace(/\/$/, ""), tokens: required.value, ...shownRequest() });
  return html`
    <p>Programs can do everything this page does. Code written for Replicate works here with a different base URL.</p>
    <${Segmented} label="Code for the current settings in Create" options=${LANGUAGES} value=${language.value}
      onChange=${(value) => { language.value = value; }} />
    <p class="muted">${NEEDS[language.value]}</p>
    <${Copyable} code label=${`${LANGUAGES.find(({ value }) => value === language.value).label} code`} text=${text} />
    <div class="row">
      <${NewTab} icon="code" path="/docs">API reference<//>
      <${NewTab} icon="external" path="/openapi.json">OpenAPI document<//>
    </div>
  `;
}

function NewTab({ icon, path, children }) {
  return html`<${Button} icon=${icon} href=${api.url(path)} target="_blank" rel="noopener">
    ${children}<span class="unseen"> in a new tab</span>
  <//>`;
}
