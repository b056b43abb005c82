// The tokens by which others may use this server.

import { html, signal, useEffect, useState } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { confirm, Dialog } from "../ui/dialog.js";
import { Problem } from "../ui/empty.js";
import { TextField } from "../ui/field.js";
import { moment } from "../ui/format.js";
import { Loading } from "../ui/progress.js";
import { useRecovery } from "../ui/recovery.js";
import { toast } from "../ui/toast.js";
import { Copyable } from "./copyable.js";

const tokens = signal(null);
const failure = signal(null);

/** Who may use the server, and how to let others. */
export function Tokens() {
  useEffect(() => { load(); }, []);
  useRecovery(failure.value, load);
  if (failure.value) return html`<${Problem} title="The tokens can’t be listed">${failure.value.detail}<//>`;
  if (!tokens.value) return html`<${Loading} />`;
  const { results, required } = tokens.value;
  return html`
    <p>
      ${required
        ? "Only people with one of these tokens can use this server."
        : "Anyone on this computer can use songloom, and nobody else. Once you create a token, only people with a token can."}
    </p>
    ${results.length > 0 && html`
      <ul class="tokens">${results.map((token) => html`<${Token} key=${token.name} token=${token} />`)}</ul>
    `}
    <${NewToken} first=${results.length === 0} />
  `;
}

function Token({ token }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const revoke = async () => {
    const meant = await confirm({
      title: `Revoke “${token.name}”?`,
      text: "Anyone using it loses access within a second. This can’t be undone, but you can create a new token at any time.",
      action: "Revoke",
      danger: true,
    });
    if (!meant) return;
    setBusy(true);
    try {
      await api.del(`/v1/tokens/${encodeURIComponent(token.name)}`);
      toast(`“${token.name}” was revoked.`);
      await load();
    } catch (error) {
      setProblem(error.detail || error.message);
    }
    setBusy(false);
  };
  return html`
    <li class="token">
      <div>
        <strong>${token.name}</strong>
        <p class="muted">
          ${token.from_environment ? "set by the SONGLOOM_TOKENS environment variable" : `created ${moment(token.created_at)}`}
        </p>
        ${problem && html`<p class="danger" role="alert">${problem}</p>`}
      </div>
      ${!token.from_environment && html`<${Button} small icon="trash" busy=${busy} onClick=${revoke}>
        Revoke<span class="unseen"> ${token.name}</span>
      <//>`}
    </li>
  `;
}

function NewToken({ first }) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState(null);
  const create = async (event) => {
    event.preventDefault();
    if (!name.trim()) {
      setProblem("Enter a name first, such as the device it is for.");
      return;
    }
    setBusy(true);
    setProblem("");
    try {
      const token = await api.post("/v1/tokens", { name: name.trim() });
      // The first token closes the server to those without one: this browser takes it at once.
      if (first && !api.token()) api.setToken(token.token);
      setMade(token);
      setName("");
      await load();
    } catch (error) {
      setProblem(error.detail || error.message);
    }
    setBusy(false);
  };
  return html`
    <form class="new-token" onSubmit=${create}>
      <${TextField} label="New token for" placeholder="laptop, phone, my app" value=${name} onChange=${setName}
        error=${problem} maxlength="100" autocomplete="off" />
      <${Button} type="submit" icon="plus" busy=${busy}>Create token<//>
    </form>
    <${Dialog} open=${made !== null} onClose=${() => setMade(null)} title=${`Token for ${made?.name ?? ""}`}
      actions=${html`<${Button} kind="primary" onClick=${() => setMade(null)}>Done<//>`}>
      <p>This token is shown only once. Keep it like a password; if you lose it, create a new one.</p>
      <${Copyable} label="Token" text=${made?.token ?? ""} />
      ${first && html`<p class="muted">This browser has saved it.</p>`}
    <//>
  `;
}

async function load() {
  try {
    tokens.value = await api.get("/v1/tokens");
    failure.value = null;
  } catch (error) {
    failure.value = error;
  }
}
