// What a view of Train opens on the server, for as long as it is shown.

import { useEffect, useState } from "../ui/html.js";
import { online } from "../api.js";

/**
 * Makes and opens it once, opens it again when the server is back, and closes it with the view.
 * @template {{open: () => void, close: () => void, error: {value: {status?: number}|null}}} T
 * @param {() => T} make
 * @returns {T}
 */
export function useOpened(make) {
  const [opened] = useState(make);
  useEffect(() => {
    opened.open();
    return () => opened.close();
  }, []);
  useEffect(() => {
    if (online.value && opened.error.value?.status === 0) opened.open();
  }, [online.value]);
  return opened;
}
