// Train: all trainings and collections, one collection, or one training.

import { html, useEffect } from "../ui/html.js";
import { CollectionPage } from "./collection_page.js";
import { Home } from "./home.js";
import { Training } from "./training.js";

/**
 * @param {{route: {kind: string|null, id: string|null}}} props
 */
export default function Train({ route }) {
  const { kind, id } = route;
  useEffect(() => {
    // Each page begins at its top, for eyes and for keyboards.
    scrollTo(0, 0);
    document.getElementById("main").focus({ preventScroll: true });
  }, [kind, id]);
  return html`<div class="view train">${page(kind, id)}</div>`;
}

function page(kind, id) {
  if (kind === "training" && id) return html`<${Training} key=${id} id=${id} />`;
  if (id) return html`<${CollectionPage} key=${id} id=${id} />`;
  return html`<${Home} />`;
}
