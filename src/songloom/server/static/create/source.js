// The recording to start from: dropped, chosen or sung, then trimmed on its waveform.
import { api } from "../api.js";
import { IconButton } from "../ui/button.js";
import { DropZone } from "../ui/dropzone.js";
import { NumberField, Segmented } from "../ui/field.js";
import { clock } from "../ui/format.js";
import { html, useEffect, useRef, useSignal } from "../ui/html.js";
import { Icon } from "../ui/icon.js";
import { drawWave, identity } from "../ui/player.js";
import { Progress } from "../ui/progress.js";
import { colour } from "../ui/colours.js";
import { Recorder } from "./record.js";
import { clipSeconds, faults, recording, setRecording } from "./state.js";

const SHORTEST = 0.5;  // seconds that can be marked
const HELP = {
  continue: "The music goes on from the marked part, and begins with it.",
  melody: "New music plays its tune, with the sounds that you describe. A hummed tune will do.",
};

/** The part of the form about a recording. */
export function Source() {
  const sending = useSignal(null);  // share that was sent; null while nothing is
  const trouble = useSignal("");
  const take = async (file, name = file.name) => {
    trouble.value = "";
    sending.value = 0;
    try {
      const sent = await api.uploadFile(file, (share) => { sending.value = share; });
      faults.value = {};
      recording.value = {
        name, url: sent.urls.get, src: sent.urls.download, seconds: null,
        mode: recording.value?.mode ?? "continue", start: 0, end: null,
      };
    } catch (error) {
      trouble.value = error.detail ?? error.message;
    } finally {
      sending.value = null;
    }
  };
  const fault = trouble.value || faults.value.input_audio;
  return html`<section class="source" aria-labelledby="source-title">
    <h2 id="source-title">Start from a recording <i>optional</i></h2>
    ${sending.value !== null && html`<${Progress} value=${sending.value} label="Sending the recording" note="Sending the recording" />`}
    ${sending.value === null && !recording.value && html`<${DropZone}
      label="Choose a file" help="or drop one here: wav, mp3, m4a, flac, ogg" accept="audio/*,video/mp4,.flac,.ogg,.m4a" compact
      onFiles=${([one]) => take(one.file)}
    ><${Recorder} onFile=${(file) => take(file, "Your recording")} onTrouble=${(text) => { trouble.value = text; }} /><//>`}
    ${sending.value === null && recording.value && html`<${Chosen} key=${identity(recording.value.url)} onTrouble=${(text) => { trouble.value = text; }} />`}
    ${fault && html`<p class="field-error" role="alert">${fault}</p>`}
  </section>`;
}

function Chosen({ onTrouble }) {
  const from = recording.value;
  const remove = () => {
    recording.value = null;
    onTrouble("");
  };
  return html`<div class="source-chosen">
    <div class="source-head">
      <${Icon} name=${from.mode === "continue" ? "arrow" : "melody"} />
      <p title=${from.name}>${from.name}</p>
      <${IconButton} icon="close" label="Remove the recording" onClick=${remove} />
    </div>
    <${Trimmer} onTrouble=${onTrouble} />
    <${Segmented}
      label="What to do with it" hideLabel value=${from.mode} onChange=${(mode) => setRecording({ mode })}
      options=${[{ value: "continue", label: "Continue it" }, { value: "melody", label: "Follow its melody" }]}
      help=${HELP[from.mode]}
    />
    ${from.mode === "continue" && from.seconds && html`<${Ends} />`}
  </div>`;
}

/** The waveform; in it, a region that is dragged and stretched marks what is continued. */
function Trimmer({ onTrouble }) {
  const box = useRef(null);
  const parts = useRef(null);
  const playing = useSignal(false);
  const { mode, start, end, seconds } = recording.value;

  useEffect(() => {
    let gone = false;
    const media = new Audio();
    media.onplay = () => { playing.value = true; };
    media.onpause = () => { playing.value = false; };
    media.ontimeupdate = () => {
      const { mode: now, end: last } = recording.value ?? {};
      if (now === "continue" && last && media.currentTime >= last) media.pause();
    };
    (async () => {
      const from = recording.value;
      const src = api.url(from.src);
      const [wave, { default: Regions }] = await Promise.all([
        drawWave(box.current, media, { src, peaks: from.peaks, seconds: from.seconds ?? undefined }, false, { dragToSeek: false }),
        import("wavesurfer/regions"),
      ]);
      if (gone) return wave.destroy();
      const regions = wave.registerPlugin(Regions.create());
      wave.on("error", () => onTrouble("This browser can't show the recording. It can be used all the same, as a whole."));
      const ready = (length) => {
        if (!Number.isFinite(length) || !length) return;
        if (recording.value?.seconds !== length) setRecording({ seconds: length });
        parts.current = { wave, media, regions, region: null };
        mark(parts.current);
      };
      wave.on("ready", ready);
      if (wave.getDuration()) ready(wave.getDuration());
      regions.on("region-updated", (region) => {
        const whole = wave.getDuration();
        const last = region.end > whole - 0.05 ? null : tenth(region.end);
        setRecording({ start: tenth(region.start), end: last });
      });
    })();
    return () => {
      gone = true;
      media.pause();
      parts.current?.wave.destroy();
      parts.current = null;
    };
  }, []);
  useEffect(() => { if (parts.current) mark(parts.current); }, [mode, start, end, seconds]);

  const toggle = () => {
    const { media } = parts.current ?? {};
    if (!media) return;
    if (!media.paused) return media.pause();
    media.currentTime = mode === "continue" ? start : 0;
    media.play().catch(() => {});
  };
  return html`<div class="player-row trimmer">
    <${IconButton}
      icon=${playing.value ? "pause" : "play"} kind="plain"
      label=${playing.value ? "Pause the recording" : mode === "continue" ? "Play the marked part" : "Play the recording"} onClick=${toggle}
    />
    <div class="player-wave" ref=${box} aria-hidden="true"></div>
  </div>`;
}

const tenth = (value) => Math.round(value * 10) / 10;

/** Draws the region that the recording's ends say. */
function mark(parts) {
  const { mode, start, end } = recording.value ?? {};
  const whole = parts.wave.getDuration();
  if (mode !== "continue") {
    parts.region?.remove();
    parts.region = null;
    return;
  }
  const ends = { start, end: end ?? whole };
  if (parts.region) {
    parts.region.setOptions(ends);
    return;
  }
  const [red, green, blue] = colour("--accent").match(/[\d.]+/g);
  parts.region = parts.regions.addRegion({
    ...ends, minLength: SHORTEST, color: `rgb(${red} ${green} ${blue} / 16%)`,
  });
}

/** The same ends as numbers, for keyboards and for exactness. */
function Ends() {
  const { start, end, seconds } = recording.value;
  const last = end ?? seconds;
  const bound = (value, low, high) => tenth(Math.min(high, Math.max(low, value)));
  return html`<div class="source-ends">
    <${NumberField}
      label="From" unit="s" min="0" max=${tenth(last - SHORTEST)} step="0.1" value=${tenth(start)} error=${faults.value.continuation_start}
      onChange=${(value) => setRecording({ start: bound(value ?? 0, 0, last - SHORTEST) })}
    />
    <${NumberField}
      label="To" unit="s" min=${tenth(start + SHORTEST)} max=${tenth(seconds)} step="0.1" value=${tenth(last)} error=${faults.value.continuation_end}
      onChange=${(value) => setRecording({ end: value === null || value >= seconds - 0.05 ? null : bound(value, start + SHORTEST, seconds) })}
    />
    <p class="muted">${clock(clipSeconds(), { tenths: true })} of ${clock(seconds, { tenths: true })}</p>
  </div>`;
}
