import { classes, html } from "./html.js";

/**
 * How far something is; without a value, that it goes on.
 * @param {{value?: number|null, label: string, note?: any}} props `value` from 0 to 1
 */
export function Progress({ value = null, label, note }) {
  const share = value === null ? null : Math.round(100 * Math.min(1, Math.max(0, value)));
  return html`<div class="progress">
    <div
      class=${classes("progress-track", share === null && "progress-unknown")}
      role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${share ?? undefined}
    >
      <div class="progress-bar" style=${{ width: share === null ? undefined : `${share}%` }}></div>
    </div>
    ${note && html`<p class="progress-note">${note}</p>`}
  </div>`;
}

/** That something is being fetched. @param {{label?: string}} props */
export function Loading({ label = "Loading" }) {
  return html`<div class="loading" role="status">
    <i></i><i></i><i></i><i></i><i></i><span class="unseen">${label}</span>
  </div>`;
}
