// Inputs whose value may change from elsewhere while one types.

import { useRef } from "../ui/html.js";

/**
 * Keeps what is being typed as it is typed: what is saved may come back tidied, under one's fingers.
 * @param {string|number} value  as it is saved
 * @returns {(onText?: (text: string) => void) => object} attributes for the input
 */
export function useTyping(value) {
  const typed = useRef(null);
  return (onText) => ({
    value: typed.current ?? value,
    onInput: (event) => {
      typed.current = event.currentTarget.value;
      onText?.(typed.current);
    },
    onBlur: () => {
      typed.current = null;
    },
  });
}
