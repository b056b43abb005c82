import { html } from "./html.js";
import { Icon } from "./icon.js";

/**
 * What stands where there is nothing yet, and says how that changes.
 * @param {{icon?: string, title: string, children?: any, action?: any}} props
 */
export function Empty({ icon = "create", title, children, action }) {
  return html`<div class="empty">
    <${Icon} name=${icon} />
    <h3>${title}</h3>
    ${children && html`<p>${children}</p>`}
    ${action && html`<div class="empty-action">${action}</div>`}
  </div>`;
}

/**
 * An error in its place, with what to do.
 * @param {{title: string, children?: any, action?: any}} props
 */
export function Problem({ title, children, action }) {
  return html`<div class="problem" role="alert">
    <${Icon} name="alert" />
    <div>
      <h3>${title}</h3>
      ${children && html`<p>${children}</p>`}
      ${action && html`<div class="empty-action">${action}</div>`}
    </div>
  </div>`;
}
