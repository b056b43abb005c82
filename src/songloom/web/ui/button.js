import { classes, html } from "./html.js";
import { Icon } from "./icon.js";

/**
 * A button; with `href`, a link that looks like one.
 * @param {{
 *   kind?: "primary"|"plain"|"quiet"|"danger", icon?: string, small?: boolean, busy?: boolean,
 *   disabled?: boolean, href?: string, pressed?: boolean, class?: string, children?: any,
 * }} props
 */
export function Button({
  kind = "plain", icon, small, busy, disabled, href, pressed, class: extra, children, ...rest
}) {
  const named = classes("button", `button-${kind}`, small && "button-small", extra);
  const inside = html`${icon && html`<${Icon} name=${icon} />`}<span>${children}</span>`;
  if (href) return html`<a class=${named} href=${href} ...${rest}>${inside}</a>`;
  return html`<button
    type="button"
    class=${named}
    disabled=${disabled || busy}
    aria-busy=${busy ? "true" : undefined}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)}
    ...${rest}
  >${inside}</button>`;
}

/**
 * A round button with a picture; its label is read out, and shown to who points at it.
 * @param {{icon: string, label: string, filled?: boolean, pressed?: boolean, kind?: string,
 *   class?: string, href?: string}} props
 */
export function IconButton({ icon, label, filled, pressed, kind = "quiet", href, class: extra, ...rest }) {
  const named = classes("icon-button", `button-${kind}`, extra);
  const inside = html`<${Icon} name=${icon} filled=${filled} />`;
  if (href) {
    return html`<a class=${named} href=${href} aria-label=${label} title=${label} ...${rest}>${inside}</a>`;
  }
  return html`<button
    type="button"
    class=${named}
    aria-label=${label}
    title=${label}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)}
    ...${rest}
  >${inside}</button>`;
}
