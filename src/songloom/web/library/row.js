// One item of the library: what it is, its sound, and what can be done with it.
import { ended } from "../status.js";
import { IconButton } from "../ui/button.js";
import { confirm } from "../ui/dialog.js";
import { moment } from "../ui/format.js";
import { classes, html, useRef, useSignal } from "../ui/html.js";
import { Piece, TrainedModel, Use } from "./details.js";
import { cancel, nameOf, remove, restore, toggleFavourite } from "./items.js";
import { Name, NewName } from "./name.js";
import { Sound } from "./sound.js";

const STATUS = { starting: "Waiting", processing: "In progress", failed: "Failed", canceled: "Cancelled" };

/**
 * @param {{item: object, opened?: boolean}} props `opened` shows its details from the beginning
 */
export function Row({ item, opened = false }) {
  const element = useRef(null);
  const open = useSignal(opened);
  const writing = useSignal(false);
  const name = nameOf(item);
  const toggle = () => {
    open.value = !open.value;
    focus(element, ".library-more");
  };
  const write = (on) => {
    writing.value = on;
    if (!on) focus(element, ".library-edit");
  };
  const go = () => leave(element.current, () => remove(item));
  const piece = open.value && item.kind === "prediction" && !item.deleted_at;
  const shared = { item, name };
  const more = html`<${IconButton}
    icon="down" class="library-more" label=${`More about ${name}`}
    aria-expanded=${String(open.value)} onClick=${toggle}
  />`;
  const trash = html`<${IconButton} icon="trash" class="library-trash" label=${`Delete ${name}`} onClick=${go} />`;
  const edit = html`<${IconButton} icon="edit" class="library-edit" label=${`Rename ${name}`} onClick=${() => write(true)} />`;
  return html`<li
    class=${classes("library-row", open.value && "library-row-open")} data-id=${item.id} ref=${element}
  >
    ${writing.value && html`<${NewName} ...${shared} onEnd=${() => write(false)} />`}
    ${piece ? html`<${Piece} item=${item}>${edit}${ended(item) && trash}${more}<//>` : html`
      <div class="library-line">
        <div class="library-what">
          ${!writing.value && html`<${Name} ...${shared} onClick=${toggle}>${!item.deleted_at && edit}<//>`}
          <${Facts} item=${item} />
        </div>
        ${item.kind === "training" ? html`<${Use} item=${item} />` : html`<${Sound} ...${shared} />`}
        <div class="library-actions">
          ${item.deleted_at ? html`<${InBin} ...${shared} row=${element} />` : html`<${Usual} ...${shared} />${trash}`}
          ${(item.kind === "training" || !item.deleted_at) && more}
        </div>
      </div>
      ${open.value && item.kind === "training" && html`<${TrainedModel} item=${item} />`}
    `}
  </li>`;
}

function Usual({ item, name }) {
  return html`
    ${!ended(item) && html`<${IconButton} icon="stop" label=${`Cancel ${name}`} onClick=${() => cancel(item)} />`}
    <${IconButton}
      icon="heart" filled=${item.favorite} pressed=${item.favorite}
      label=${`${name} is a favourite`} class="library-heart" onClick=${() => toggleFavourite(item)}
    />
  `;
}

function InBin({ item, name, row }) {
  const forever = async () => {
    const what = item.kind === "training" ? "The trained model is deleted with it." : "Its recordings are deleted with it.";
    const sure = await confirm({
      title: "Delete permanently?", text: `${what} This can’t be undone.`, action: "Delete", danger: true,
    });
    if (sure) leave(row.current, () => remove(item, { forever: true }));
  };
  return html`
    <${IconButton}
      icon="restore" label=${`Restore ${name}`}
      onClick=${() => leave(row.current, () => restore(item))}
    />
    <${IconButton} icon="trash" label=${`Delete ${name} permanently`} onClick=${forever} />
  `;
}

/** Takes a row away, and the keyboard's focus to the next one. */
function leave(row, act) {
  const near = row.nextElementSibling ?? row.previousElementSibling;
  act();
  requestAnimationFrame(() => {
    (near?.querySelector(".library-actions button, .piece-tools button") ?? document.getElementById("main")).focus();
  });
}

/** Keeps the focus on a button that is drawn anew. */
function focus(element, button) {
  requestAnimationFrame(() => element.current?.querySelector(button)?.focus());
}

function Facts({ item }) {
  const what = item.kind === "training" ? "Trained model" : item.model.split("/").pop();
  const when = item.deleted_at ? `deleted ${moment(item.deleted_at)}` : moment(item.created_at);
  return html`<p class="library-facts">
    ${STATUS[item.status] && html`<span class=${`library-status library-${item.status}`}>${STATUS[item.status]}</span>`}
    <span>${what} · ${when}</span>
  </p>`;
}
