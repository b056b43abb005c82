// Removing with undo: what is removed is hidden at once, and gone on the server when nobody took it back.

import { api } from "../api.js";
import { toast, toastError } from "../ui/toast.js";

const UNDO_MS = 10_500; // a little longer than the offer to undo is shown
const waiting = new Map(); // by path: the timer

/**
 * Remove something on the server in a while.
 * @param {string} text  what was removed
 * @param {string} path  of what is deleted
 * @param {() => void} undo  brings it back on the page
 */
export function removeLater(text, path, undo) {
  const remove = async () => {
    waiting.delete(path);
    try {
      await api.del(path);
    } catch (error) {
      if (error.status === 404) return;
      undo();
      toastError(error);
    }
  };
  waiting.set(path, { timer: setTimeout(remove, UNDO_MS), remove });
  toast(text, {
    undo: () => {
      const entry = waiting.get(path);
      if (!entry) return;
      clearTimeout(entry.timer);
      waiting.delete(path);
      undo();
    },
  });
}

/**
 * Moves the focus from a button in a list's item that is about to go to the same button beside it.
 * @param {HTMLElement} button
 */
export function focusBeside(button) {
  const item = button.closest("li");
  const beside = item.nextElementSibling ?? item.previousElementSibling;
  const next = beside?.querySelector(".icon-button:not(.player-play)") ?? document.getElementById("main");
  next.focus();
}

// Someone who leaves meant it.
addEventListener("pagehide", () => {
  for (const { timer, remove } of [...waiting.values()]) {
    clearTimeout(timer);
    remove();
  }
});
