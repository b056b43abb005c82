// From a training to music: what was trained is chosen in Create.

import { loadModels, model } from "../create/state.js";
import { html } from "../ui/html.js";
import { Button } from "../ui/button.js";
import { toastError } from "../ui/toast.js";

/**
 * A link to Create, with a trained model chosen.
 * @param {{training: {destination: string}, children: any}} props  and further ones of a button
 */
export function UseIt({ training, children, ...rest }) {
  const choose = () => {
    model.value = training.destination;
    loadModels().catch(toastError); // the list may be from before the training
  };
  return html`<${Button} href="#/create" onClick=${choose} ...${rest}>${children}<//>`;
}
