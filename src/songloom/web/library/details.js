// What a row becomes when it is opened: all that is known of it, and where it can go from here.
import { cardActions } from "../create/actions.js";
import { ended } from "../status.js";
import { createWith } from "../train/words.js";
import { Button } from "../ui/button.js";
import { Card } from "../ui/card.js";
import { Problem } from "../ui/empty.js";
import { html } from "../ui/html.js";
import { cancel, replace } from "./items.js";

/**
 * A piece of music, as it stood beside the form that made it.
 * @param {{item: object, children: any}} props children are buttons
 */
export function Piece({ item, children }) {
  return html`<${Card}
    item=${item} actions=${cardActions} onChange=${replace} onCancel=${cancel}
  >${children}<//>`;
}

/** The way to a trained model, in its row. @param {{item: object}} props */
export function Use({ item }) {
  if (item.status !== "succeeded" || item.deleted_at) return null;
  return html`<div class="library-sound"><${Button} small icon="create" href=${createWith(item)}>Use this model<//></div>`;
}

/** What else there is to know of a trained model. @param {{item: object}} props */
export function TrainedModel({ item }) {
  return html`<div class="library-details">
    ${item.error && html`<${Problem} title="The training failed">${item.error}<//>`}
    ${item.prompt && html`<p class="muted">${item.prompt}</p>`}
    <div class="row"><${Button} small icon="train" href=${`#/trainings/${item.id}`}>
      ${ended(item) ? "See how it was trained" : "Watch it learn"}
    <//></div>
  </div>`;
}
