// What one should know before one fetches weights that are not for commercial use.

import { html } from "../ui/html.js";

/**
 * A question for `confirm`.
 * @param {{name: string, licence: string, licence_url?: string}} model
 */
export function nonCommercial(model) {
  return {
    title: `Download ${model.name}?`,
    text: html`
      Its weights are under ${model.licence}: <strong>no commercial use</strong>. That goes for the music it makes, and for models
      that you train from it. nano, which is included, may be used for anything.
      ${model.licence_url && html` <a href=${model.licence_url} target="_blank" rel="noopener">Read the licence</a>.`}
    `,
    action: "Download",
    otherwise: "Not now",
  };
}
