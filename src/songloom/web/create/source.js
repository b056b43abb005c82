// The recording to start from: dropped, chosen or sung, then trimmed on its waveform.
import { api, online } from "../api.js";
import { IconButton } from "../ui/button.js";
import { DropZone } from "../ui/dropzone.js";
import { NumberField, Segmented } from "../ui/field.js";
import { clock } from "../ui/format.js";
import { html, signal, useEffect, useRef, useSignal } from "../ui/html.js";
import { Icon } from "../ui/icon.js";
import { drawWave, identity } from "../ui/player.js";
import { Progress } from "../ui/progress.js";
import { colour } from "../ui/colours.js";
import { endTurn, play, takeTurn } from "../ui/turn.js";
import { Recorder } from "./record.js";
import { uploadRecording } from "./upload.js";
import { canFollow, chosenModel, faults, markedSeconds, needsCut, recording, setRecording } from "./state.js";

const SHORTEST = 0.5;  // seconds that can be marked
const LONG = 20;  // seconds from which on not all of a recording is continued, unless one says so
const MARKED = 10;
const HELP = {
  continue: "The music starts with the selected part and continues from there.",
  melody: "New music follows the melody of the selected part with the sounds you describe. Humming works, too.",
};
const NOT_SHOWN = "This browser can’t play this kind of file, but you can still use it.";
const NOT_CUT = "This browser can’t cut this kind of file. Use the whole recording, or convert it to WAV or MP3.";

const sending = signal(null);  // {share} that was sent, null while it is read; null while nothing is
const trouble = signal("");
const tell = (text) => { trouble.value = text; };

/**
 * Uploads a recording, and starts from it.
 * @param {File} file
 * @param {string} [name] what it is called in the form
 */
export async function takeFile(file, name = file.name) {
  tell("");
  sending.value = { share: 0 };
  try {
    const { seconds, ...sent } = await uploadRecording(file, (share) => { sending.value = { share }; });
    faults.value = {};
    recording.value = {
      ...sent, name, seconds: null,
      mode: recording.value?.mode ?? "continue", start: 0, end: null, fresh: true,
    };
    measure(seconds);
  } catch (error) {
    tell(error.detail ?? error.message);
  } finally {
    sending.value = null;
  }
}

/** Makes the marked part a file of its own, where a melody is to be read from it. */
export async function cutPart() {
  if (!needsCut()) return;
  const { src, start, end, seconds } = recording.value;
  const { cut } = await import("./cut.js");
  const part = await cut(api.url(src), start, end ?? seconds).catch((error) => {
    if (!online.value || error.name !== "EncodingError") throw error;
    throw new Error(NOT_CUT);
  });
  const sent = await api.uploadFile(part);
  setRecording({ part: { start, end, url: sent.urls.get } });
}

/** The part of the form about a recording. */
export function Source() {
  const fault = trouble.value || faults.value.input_audio;
  return html`<section class="source" aria-labelledby="source-title">
    <h2 id="source-title">Start from a recording <i>optional</i></h2>
    ${sending.value !== null && html`<${Progress}
      value=${sending.value.share} label="Uploading the recording"
      note=${sending.value.share === null ? "Checking the recording" : "Uploading the recording"}
    />`}
    ${sending.value === null && !recording.value && html`<${DropZone}
      label="Choose a file" help="or drop one here: WAV, MP3, M4A, FLAC or Ogg" compact
      accept="audio/*,video/mp4,.flac,.ogg,.m4a" onFiles=${([one]) => takeFile(one.file)}
    ><${Recorder} onFile=${(file) => takeFile(file, "Your recording")} onTrouble=${tell} /><//>`}
    ${sending.value === null && recording.value && html`<${Chosen} key=${identity(recording.value.url)} />`}
    ${fault && html`<p class="field-error" role="alert">${fault}</p>`}
  </section>`;
}

function Chosen() {
  const from = recording.value;
  const remove = () => {
    recording.value = null;
    tell("");
  };
  return html`<div class="source-chosen">
    <div class="source-head">
      <${Icon} name=${from.mode === "continue" ? "arrow" : "melody"} />
      <p title=${from.name}>${from.name}</p>
      <${IconButton} icon="close" label="Remove the recording" onClick=${remove} />
    </div>
    <${Trimmer} />
    <${Segmented}
      label="What to do with it" hideLabel value=${from.mode} onChange=${(mode) => setRecording({ mode })}
      options=${[{ value: "continue", label: "Continue it" }, { value: "melody", label: "Follow its melody" }]}
      help=${HELP[from.mode]}
    />
    ${from.mode === "melody" && !canFollow.value && html`<p class="field-error">
      ${chosenModel.value} can't follow a melody. Choose a model that can, such as nano, or continue the recording.
    </p>`}
    ${from.seconds && html`<${Ends} />`}
  </div>`;
}

/** The waveform; in it, a region that is dragged and stretched marks the part that is used. */
function Trimmer() {
  const box = useRef(null);
  const parts = useRef(null);
  const playing = useSignal(false);
  const { start, end, seconds } = recording.value;

  useEffect(() => {
    let gone = false;
    let wave = null;
    const media = new Audio();
    const silence = () => media.pause();
    media.onplay = () => {
      takeTurn(silence);
      playing.value = true;
    };
    media.onpause = () => { playing.value = false; };
    media.ontimeupdate = () => {
      const last = recording.value?.end;
      if (last && media.currentTime >= last) media.pause();
    };
    (async () => {
      const { src, peaks, rms, seconds: known } = recording.value;
      const file = { src: api.url(src), peaks, rms, seconds: known ?? undefined };
      const { default: Regions } = await import("wavesurfer/regions");
      wave = await drawWave(box.current, media, file, false, { dragToSeek: false });
      if (gone) return wave.destroy();
      const regions = wave.registerPlugin(Regions.create());
      wave.on("error", () => tell(NOT_SHOWN));
      const ready = (length) => {
        if (!Number.isFinite(length) || !length) return;
        measure(length);
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
      endTurn(silence);
      wave?.destroy();
      parts.current = null;
    };
  }, []);
  useEffect(() => { if (parts.current) mark(parts.current); }, [start, end, seconds]);

  const toggle = () => {
    const { media } = parts.current ?? {};
    if (!media) return;
    if (!media.paused) return media.pause();
    media.currentTime = start;
    play(media);
  };
  return html`<div class="player-row trimmer">
    <${IconButton}
      icon=${playing.value ? "pause" : "play"} kind="plain"
      label=${playing.value ? "Pause the recording" : "Play the selected part"} onClick=${toggle}
    />
    <div class="player-wave" ref=${box} aria-hidden="true"></div>
  </div>`;
}

const tenth = (value) => Math.round(value * 10) / 10;

/** Takes a recording's length; of a long one, its last seconds are marked to be continued. */
function measure(seconds) {
  const from = recording.value;
  if (!from || from.seconds === seconds) return;
  const late = from.fresh && from.mode === "continue" && seconds > LONG;
  setRecording({ seconds, start: late ? tenth(seconds - MARKED) : from.start, fresh: false });
}

/** Draws the region that the recording's ends say. */
function mark(parts) {
  const { start, end } = recording.value;
  const ends = { start, end: end ?? parts.wave.getDuration() };
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
  const setStart = (value) => setRecording({ start: bound(value ?? 0, 0, last - SHORTEST) });
  const setEnd = (value) => {
    const whole = value === null || value >= seconds - 0.05;
    setRecording({ end: whole ? null : bound(value, start + SHORTEST, seconds) });
  };
  return html`<div class="source-ends">
    <${NumberField}
      label="From" unit="s" min="0" max=${tenth(last - SHORTEST)} step="0.1"
      value=${tenth(start)} error=${faults.value.continuation_start} onChange=${setStart}
    />
    <${NumberField}
      label="To" unit="s" min=${tenth(start + SHORTEST)} max=${tenth(seconds)} step="0.1"
      value=${tenth(last)} error=${faults.value.continuation_end} onChange=${setEnd}
    />
    <p class="muted">${clock(markedSeconds(), { tenths: true })} of ${clock(seconds, { tenths: true })}</p>
  </div>`;
}
