// The page of one training: how far it is, how it sounds, and what came of it.

import { html, useState } from "../ui/html.js";
import { Button } from "../ui/button.js";
import { Problem } from "../ui/empty.js";
import { moment } from "../ui/format.js";
import { Loading, Progress } from "../ui/progress.js";
import { LossChart } from "./chart.js";
import { Comparison } from "./comparison.js";
import { useOpened } from "./opened.js";
import { Previews } from "./previews.js";
import { Run } from "./run.js";
import { STATUS, isRunning, nameOf, stageText } from "./words.js";

/**
 * @param {{id: string}} props
 */
export function Training({ id }) {
  const run = useOpened(() => new Run(id));
  const error = run.error.value;
  const training = run.training.value;
  if (error) {
    const gone = error.status === 404;
    return html`<${Problem}
      title=${gone ? "This training no longer exists" : "The training can’t be shown"}
      action=${html`<${Button} href="#/train">All trainings<//>`}
    >${gone ? "It may have been deleted, or the link may be incomplete." : error.detail || error.message}<//>`;
  }
  if (!training) return html`<${Loading} label="Loading the training" />`;
  const curve = run.curve.value;
  return html`
    <article class="training">
      <header class="training-head">
        <a class="back" href="#/train">All trainings</a>
        <h1>${nameOf(training)}</h1>
        <p class="muted">
          <span role="status" class=${`status status-${training.status}`}>${STATUS[training.status]}</span>
          ${" "}${training.input.model ?? training.model} · started ${moment(training.created_at)}
        </p>
      </header>
      <${Now} run=${run} training=${training} />
      ${training.status === "succeeded" && html`<${Comparison} run=${run} training=${training} />`}
      <${Previews} clips=${run.previews.value} />
      ${curve?.points.length > 0 && html`
        <section class="card" aria-labelledby="curve-title">
          <h2 id="curve-title">How it learns</h2>
          <p class="muted">How much your songs surprise the model. Lower means that it predicts them better; how it sounds is for your ears to judge.</p>
          <${LossChart} curve=${curve} ended=${!isRunning(training)} />
        </section>
      `}
      <${Details} training=${training} log=${run.log.value} />
    </article>
  `;
}

/** What happens now, and what can be done about it. */
function Now({ run, training }) {
  const [busy, setBusy] = useState(false);
  const act = (action) => async () => {
    setBusy(true);
    await action.call(run);
    setBusy(false);
  };
  if (isRunning(training)) {
    const progress = run.progress.value;
    const share = training.status === "starting" || !progress?.total ? null : progress.done / progress.total;
    return html`
      <section class="card now" aria-label="Progress">
        <${Progress} value=${share} label="Training" note=${stageText(training, progress, run.recentLog())} />
        <div class="row">
          <${Button} icon="close" busy=${busy} onClick=${act(run.stop)}>Cancel<//>
          <p class="muted">What was learned is kept if you cancel, and you can continue later. You can close this page; training goes on.</p>
        </div>
      </section>
    `;
  }
  if (training.status === "succeeded") return null;
  const again = html`<${Button} kind="primary" icon="again" busy=${busy} onClick=${act(run.resume)}>Continue<//>`;
  if (training.status === "canceled") {
    return html`
      <section class="card now" aria-label="Progress">
        <p>This training was cancelled. What it learned so far is saved, and you can continue from there.</p>
        <div class="row">${again}</div>
      </section>
    `;
  }
  return html`<${Problem} title="The training failed" action=${again}>${training.error}<//>`;
}

function Details({ training, log }) {
  const { dataset_path, model, ...settings } = training.input;
  const collection = /\/v1\/datasets\/([^/?]+)/.exec(dataset_path ?? "")?.[1];
  return html`
    <section class="training-details">
      ${collection && html`<p><a href=${`#/train/${collection}`}>Songs it learns from</a></p>`}
      ${Object.keys(settings).length > 0 && html`
        <details>
          <summary>Settings</summary>
          <dl class="facts">
            ${Object.entries(settings).map(([name, value]) => html`
              <div><dt>${name.replaceAll("_", " ")}</dt><dd>${String(value)}</dd></div>
            `)}
          </dl>
        </details>
      `}
      <details>
        <summary>Log</summary>
        <pre class="log" tabindex="0" aria-label="Log">${readable(log) || "Nothing yet."}</pre>
      </details>
    </section>
  `;
}

/** The log without its progress bars, which the page draws itself. */
function readable(log) {
  return log.split(/[\r\n]+/).filter((line) => !/^\s*\d+%\|/.test(line)).join("\n").trim();
}
