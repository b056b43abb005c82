// One sound at a time: whatever starts to play silences what played before, and says why it can't.
import { toast } from "./toast.js";

const BLOCKED = "The browser blocked the sound. Press play again, or allow sound for this page in the browser’s settings.";
const UNPLAYABLE = "This recording can’t be played. Reload the page and try again.";

let silencePlaying = null;  // stops what plays; null while nothing does

/**
 * Silences whatever else plays.
 * @param {() => void} silence stops the one that starts now; always the same function of one player
 */
export function takeTurn(silence) {
  const before = silencePlaying;
  silencePlaying = silence;
  if (before && before !== silence) before();
}

/** Forgets a player that has stopped. @param {() => void} silence as `takeTurn` was given it */
export function endTurn(silence) {
  if (silencePlaying === silence) silencePlaying = null;
}

/**
 * Starts to play, and tells the user where that fails.
 * @param {HTMLMediaElement} media
 * @param {(error: Error) => string} [explain] the message for an error other than a blocked sound
 * @returns {Promise<boolean>} whether it plays
 */
export async function play(media, explain = () => UNPLAYABLE) {
  try {
    await media.play();
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;  // stopped before it started
    toast(error.name === "NotAllowedError" ? BLOCKED : explain(error), { kind: "danger" });
    return false;
  }
}

/** Tells the user that a recording broke off, or could not be fetched. */
export function reportUnplayable() {
  toast(UNPLAYABLE, { kind: "danger" });
}
