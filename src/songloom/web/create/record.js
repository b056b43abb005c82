// The microphone.
import { Button } from "../ui/button.js";
import { clock } from "../ui/format.js";
import { html, useEffect, useRef, useSignal } from "../ui/html.js";
import { takeTurn } from "../ui/turn.js";

const TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const ENDINGS = { "audio/webm": "webm", "audio/ogg": "ogg", "audio/mp4": "m4a" };
const NOT_OFFERED = "The microphone works only on this computer or over HTTPS. Choose a file instead.";
const NOTHING = () => {};
const LONGEST_SECONDS = 120;
const TROUBLES = {
  NotAllowedError: "The browser was not allowed to use the microphone. Allow it in the address bar, or choose a file.",
  NotFoundError: "No microphone was found. Connect one, or choose a file.",
  NotReadableError: "Another program is using the microphone. Close it, or choose a file.",
};

/**
 * A button that records, and shows how loud it is meanwhile.
 * @param {{onFile: (file: File) => void, onTrouble: (text: string) => void}} props
 */
export function Recorder({ onFile, onTrouble }) {
  const taking = useRef(null);
  const seconds = useSignal(null);  // null while nothing is recorded
  const level = useSignal(0);
  useEffect(() => () => taking.current?.drop(), []);

  const begin = async () => {
    if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
      return onTrouble(NOT_OFFERED);
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        // Made for speech, these would eat music.
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      takeTurn(NOTHING);  // or the microphone would hear it too
      taking.current = take(stream, { seconds, level, onFile });
    } catch (error) {
      onTrouble(TROUBLES[error.name] ?? `The microphone can’t be used (${error.message}). Choose a file instead.`);
    }
  };
  if (seconds.value === null) return html`<${Button} icon="mic" kind="quiet" onClick=${begin}>Record<//>`;
  return html`<div class="recording">
    <span class="recording-level" style=${{ "--level": level.value }} aria-hidden="true"></span>
    <span role="timer">${clock(seconds.value)}</span>
    <${Button} icon="stop" kind="primary" onClick=${() => taking.current.stop()}>Stop<//>
    <${Button} kind="quiet" onClick=${() => taking.current.drop()}>Discard<//>
  </div>`;
}

function take(stream, { seconds, level, onFile }) {
  const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
  const recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: 192_000 });
  const parts = [];
  let kept = true;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const began = performance.now();
  const tick = setInterval(() => {
    seconds.value = (performance.now() - began) / 1000;
    analyser.getFloatTimeDomainData(samples);
    level.value = Math.min(1, 3 * Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
    if (seconds.value >= LONGEST_SECONDS) recorder.stop();
  }, 80);
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => {
    clearInterval(tick);
    for (const track of stream.getTracks()) track.stop();
    context.close();
    seconds.value = null;
    const bare = recorder.mimeType.split(";")[0];
    if (kept) onFile(new File(parts, `recording.${ENDINGS[bare] ?? "webm"}`, { type: bare }));
  };
  recorder.start();
  seconds.value = 0;
  return {
    stop: () => recorder.state !== "inactive" && recorder.stop(),
    drop: () => {
      kept = false;
      if (recorder.state !== "inactive") recorder.stop();
    },
  };
}
