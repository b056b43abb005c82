// Audio that can be heard while it is still being made.
import { api } from "../api.js";
import { Button } from "./button.js";
import { html, useCallback, useEffect, useRef, useSignal } from "./html.js";
import { toast } from "./toast.js";
import { endTurn, play, takeTurn } from "./turn.js";

const BROKEN_OFF = "The sound broke off. You can play the piece when it is finished.";
const explain = ({ name, message }) => `This browser can’t play music while it is being made (${message || name}). You can play it when it is finished.`;

/**
 * @param {{src: string, label: string, onState?: (playing: boolean) => void}} props `src` grows
 *   while it is read
 */
export function LivePlayer({ src, label, onState }) {
  const sound = useRef(null);
  const state = useSignal("idle");
  const tell = (next) => {
    state.value = next;
    onState?.(next === "playing" || next === "waiting");
  };
  const silence = useCallback(() => {
    // The browser does not keep what it has played: listening starts again at the beginning.
    sound.current?.pause();
    sound.current?.removeAttribute("src");
    sound.current = null;
    endTurn(silence);
    latest.current("idle");
  }, []);
  const latest = useRef(tell);
  latest.current = tell;
  useEffect(() => silence, []);
  const breakOff = () => {
    if (!sound.current) return;
    silence();
    toast(BROKEN_OFF, { kind: "danger" });
  };
  const toggle = () => {
    if (sound.current) return silence();
    takeTurn(silence);
    const audio = new Audio(api.url(src));
    sound.current = audio;
    audio.onplaying = () => tell("playing");
    audio.onwaiting = () => tell("waiting");
    const isCurrent = () => sound.current === audio;
    audio.onended = () => isCurrent() && silence();
    tell("waiting");
    play(audio, explain).then((started) => {
      if (!isCurrent()) return;
      if (!started) silence();
      else audio.onerror = breakOff;
    });
  };
  const on = state.value !== "idle";
  return html`<${Button}
    icon=${on ? "stop" : "play"} small pressed=${on} onClick=${toggle}
    aria-label=${`${on ? "Stop" : "Listen to"} ${label} while it is being made`}
  >${{ idle: "Listen now", waiting: "Waiting for more", playing: "Listening" }[state.value]}<//>`;
}
