// What failed because the server did not answer is tried again by itself when it answers.
import { online } from "../api.js";
import { useEffect, useRef } from "./html.js";

/**
 * Tries again once the server is back.
 * @param {{status?: number}|null} error the failure that is shown
 * @param {() => void} retry
 */
export function useRecovery(error, retry) {
  const latest = useRef(retry);
  latest.current = retry;
  useEffect(() => {
    if (online.value && error?.status === 0) latest.current();
  }, [online.value, error]);
}
