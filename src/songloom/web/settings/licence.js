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
      Its licence (${model.licence}) allows <strong>no commercial use</strong>, neither of the music it makes nor of models
      you train from it. The included model, nano, may be used for anything.
      ${model.licence_url && html` <a href=${model.licence_url} target="_blank" rel="noopener">Read the licence</a>.`}
    `,
    action: "Download",
    otherwise: "Not now",
  };
}
