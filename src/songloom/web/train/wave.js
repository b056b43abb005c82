// The sound of a song in the list.

import { html } from "../ui/html.js";
import { Player } from "../ui/player.js";

/**
 * @param {{song: object, label: string}} props
 */
export function SongWave({ song, label }) {
  const { audio, peaks } = song.urls;
  // Whether it can be heard at all is known once it was listened to.
  if (song.status !== "ready") return html`<div class="song-listening" aria-hidden="true"></div>`;
  return html`<${Player}
    compact loop=${false} src=${audio} peaks=${peaks} seconds=${song.seconds ?? undefined} label=${label}
  />`;
}
