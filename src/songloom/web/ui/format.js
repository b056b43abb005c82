// Numbers and times as people read them.

/**
 * A position or a length as a clock shows it: 65 becomes "1:05".
 * @param {number} seconds
 * @param {{tenths?: boolean}} [options]
 */
export function clock(seconds, { tenths = false } = {}) {
  if (!Number.isFinite(seconds) || seconds < 0) return "0:00";
  // Rounded down, as clocks do, after the noise of binary fractions: 2.3 * 10 is 22.999….
  const unit = tenths ? 10 : 1;
  const whole = Math.floor(Math.round(seconds * unit * 1000) / 1000) / unit;
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = whole % 60;
  const last = (tenths ? rest.toFixed(1) : String(Math.floor(rest))).padStart(tenths ? 4 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${last}` : `${minutes}:${last}`;
}

/**
 * A stretch of time in words, as exact as is useful: "8 seconds", "about 3 minutes".
 * @param {number} seconds
 */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return "an unknown time";
  if (seconds < 1.5) return "a second";
  if (seconds < 90) return `${Math.round(seconds)} seconds`;
  const minutes = seconds / 60;
  if (minutes < 90) return `about ${Math.round(minutes)} minutes`;
  const hours = Math.round(minutes / 30) / 2;
  return hours === 1 ? "about an hour" : `about ${hours} hours`;
}

/**
 * A size on the disk: "3.2 MB".
 * @param {number} count
 */
export function bytes(count) {
  if (!Number.isFinite(count) || count < 0) return "unknown";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = count;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/**
 * A number with its thousands apart.
 * @param {number} value
 */
export function count(value) {
  return new Intl.NumberFormat("en").format(value);
}

/**
 * A number and its word: plural(2, "song") is "2 songs".
 * @param {number} number
 * @param {string} word
 * @param {string} [many]
 */
export function plural(number, word, many = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : many}`;
}

/**
 * A moment as it is told among friends: "today, 14:03", "3 November".
 * @param {string|Date} moment
 * @param {Date} [now]
 */
export function moment(moment, now = new Date()) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return "";
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const midnight = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
  if (days === 0) return `today, ${time}`;
  if (days === 1) return `yesterday, ${time}`;
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return `${date.toLocaleDateString([], { day: "numeric", month: "long", year })}, ${time}`;
}

/**
 * The beginning of a text, cut between words where it is longer; one without spaces between letters.
 * @param {string} text
 * @param {number} characters
 */
export function cutAtWord(text, characters) {
  const letters = [...text];
  if (letters.length <= characters) return text;
  const start = letters.slice(0, characters).join("");
  const words = /[\s,;:.!?)]/.test(letters[characters]) ? start : start.replace(/\s+\S*$/, "");
  // One very long word at the end is worth more than the few letters before it.
  return (words.length * 4 >= start.length ? words : start).replace(/[^\p{L}\p{N}\p{M}]+$/u, "");
}

/**
 * A text with a capital at its beginning.
 * @param {string} text
 */
export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

/**
 * A message of the server as a sentence for people: without folders of its own, with a full stop.
 * @param {string|null} text
 */
export function message(text) {
  if (!text) return "";
  const bare = text.trim().replace(/'inputs\/\w+\/([^']*)'/g, "“$1”");
  const begun = /^[a-z]+[ ,]/.test(bare) ? sentence(bare) : bare;
  return /[.!?:…]$/.test(begun) ? begun : `${begun}.`;
}
