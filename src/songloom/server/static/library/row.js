// One item of the library: what it is, its sound, and what can be done with it.
import { IconButton } from "../ui/button.js";
import { confirm } from "../ui/dialog.js";
import { moment } from "../ui/format.js";
import { classes, html, useSignal } from "../ui/html.js";
import { Details } from "./details.js";
import { cancel, ended, nameOf, remove, restore, toggleFavourite } from "./items.js";
import { Name } from "./name.js";
import { Sound } from "./sound.js";

const STATUS = { starting: "Waiting", processing: "Being made", failed: "Failed", canceled: "Stopped" };

/**
 * @param {{item: object, opened?: boolean}} props `opened` shows its details from the beginning
 */
export function Row({ item, opened = false }) {
  const open = useSignal(opened);
  const writing = useSignal(false);
  const name = nameOf(item);
  const toggle = () => { open.value = !open.value; };
  return html`<li class=${classes("library-row", open.value && "library-row-open")} data-id=${item.id}>
    <div class="library-line">
      <div class="library-what">
        <${Name} item=${item} name=${name} writing=${writing} onClick=${toggle} />
        <${Facts} item=${item} />
      </div>
      <${Sound} item=${item} name=${name} />
      <div class="library-actions">
        ${item.deleted_at ? html`<${InBin} item=${item} name=${name} />` : html`
          ${!ended(item) && html`<${IconButton} icon="stop" label=${`Stop ${name}`} onClick=${() => cancel(item)} />`}
          <${IconButton}
            icon="heart" filled=${item.favorite} pressed=${item.favorite}
            label=${`${name} is a favourite`} class="library-heart" onClick=${() => toggleFavourite(item)}
          />
          <${IconButton}
            icon="trash" class="library-trash" label=${`Delete ${name}`}
            onClick=${(event) => leave(event.currentTarget, () => remove(item))}
          />
        `}
        <${IconButton}
          icon="down" class="library-more" label=${`More about ${name}`}
          aria-expanded=${String(open.value)} onClick=${toggle}
        />
      </div>
    </div>
    ${open.value && html`<${Details}
      item=${item} onRename=${() => { writing.value = true; }}
      onDelete=${(event) => leave(event.currentTarget, () => remove(item))}
    />`}
  </li>`;
}

function InBin({ item, name }) {
  const forever = async ({ currentTarget }) => {
    const what = item.kind === "training" ? "The model that was trained goes with it." : "Its recordings go with it.";
    const sure = await confirm({
      title: "Delete it for good?", text: `${what} This can't be undone.`, action: "Delete", danger: true,
    });
    if (sure) leave(currentTarget, () => remove(item, { forever: true }));
  };
  return html`
    <${IconButton}
      icon="restore" label=${`Take ${name} out of the bin`}
      onClick=${(event) => leave(event.currentTarget, () => restore(item))}
    />
    <${IconButton} icon="trash" label=${`Delete ${name} for good`} onClick=${forever} />
  `;
}

/** Takes a row away, and the keyboard's focus to the next one. */
function leave(button, act) {
  const row = button.closest("li");
  const near = row.nextElementSibling ?? row.previousElementSibling;
  act();
  requestAnimationFrame(() => {
    (near?.querySelector(".library-actions button") ?? document.getElementById("main")).focus();
  });
}

function Facts({ item }) {
  const what = item.kind === "training" ? "Trained model" : item.model.split("/").pop();
  const when = item.deleted_at ? `deleted ${moment(item.deleted_at)}` : moment(item.created_at);
  return html`<p class="library-facts">
    ${STATUS[item.status] && html`<span class=${`library-status library-${item.status}`}>${STATUS[item.status]}</span>`}
    <span>${what} · ${when}</span>
  </p>`;
}
