// Audio that can be heard while it is still being made.
import { api } from "../api.js";
import { Button } from "./button.js";
import { html, useCallback, useEffect, useRef, useSignal } from "./html.js";
import { toast } from "./toast.js";
import { endTurn, takeTurn } from "./turn.js";

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
    // What has been heard is not kept by the browser: it stops, and starts at the beginning.
    sound.current?.pause();
    sound.current?.removeAttribute("src");
    sound.current = null;
    endTurn(silence);
    latest.current("idle");
  }, []);
  const latest = useRef(tell);
  latest.current = tell;
  useEffect(() => silence, []);
  const toggle = () => {
    if (sound.current) return silence();
    takeTurn(silence);
    const audio = new Audio(api.url(src));
    sound.current = audio;
    audio.onplaying = () => tell("playing");
    audio.onwaiting = () => tell("waiting");
    audio.onended = audio.onerror = () => {
      sound.current = null;
      tell("idle");
    };
    tell("waiting");
    audio.play().catch((error) => {
      if (error.name === "AbortError") return;  // it was stopped before it began
      sound.current = null;
      tell("idle");
      toast(`This browser doesn't play it while it is made (${error.message || error.name}). It can be played once it is done.`, { kind: "danger" });
    });
  };
  const on = state.value !== "idle";
  return html`<${Button}
    icon=${on ? "stop" : "play"} small pressed=${on} onClick=${toggle}
    aria-label=${`${on ? "Stop" : "Listen to"} ${label} while it is made`}
  >${{ idle: "Listen now", waiting: "Waiting for more", playing: "Listening" }[state.value]}<//>`;
}
