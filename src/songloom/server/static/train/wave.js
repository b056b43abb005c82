// The sound of a song in the list.

import { html } from "../ui/html.js";
import { Player } from "../ui/player.js";

/**
 * @param {{song: object, label: string}} props
 */
export function SongWave({ song, label }) {
  const { audio, peaks } = song.urls;
  return html`<${Player} compact loop=${false} src=${audio} peaks=${peaks} seconds=${song.seconds ?? undefined} label=${label} />`;
}
