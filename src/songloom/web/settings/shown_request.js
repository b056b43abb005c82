// What the form of Create holds, as a request; an example where it is empty.

import { request } from "../create/state.js";

const EXAMPLE = { prompt: "warm felt piano, slow and tender", duration: 8 };

/**
 * @returns {{model: string, input: object}}
 */
export function shownRequest() {
  const { version, input } = request.value;
  return { model: version, input: input.prompt || input.input_audio ? input : { ...EXAMPLE, ...input } };
}
