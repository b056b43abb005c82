// What every component is written with, from one place.
import { Fragment, createContext, h, render } from "preact";
import htm from "htm";

/** Preact elements from tagged templates: html`<p>${text}</p>`. */
export const html = htm.bind(h);

export { Fragment, createContext, h, render };
export { batch, computed, effect, signal, untracked } from "@preact/signals";
export { useComputed, useSignal, useSignalEffect } from "@preact/signals";
export {
  useCallback,
  useContext,
  useEffect,
  useErrorBoundary,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "preact/hooks";

/**
 * Joins the names that hold, for `class`.
 * @param {...(string|false|null|undefined)} names
 * @returns {string}
 */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
