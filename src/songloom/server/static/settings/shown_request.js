// What the form of Create holds, as a request.

const EXAMPLE = { model: "songloom/nano", input: { prompt: "warm felt piano, slow and tender", duration: 8 } };

/**
 * @returns {{model: string, input: object}}
 */
export function shownRequest() {
  return EXAMPLE;
}
