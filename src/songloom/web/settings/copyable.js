// A text that is there to be copied.

import { html, useRef, useState } from "../ui/html.js";
import { Button } from "../ui/button.js";
import { toast } from "../ui/toast.js";

/**
 * @param {{label: string, text: string, code?: boolean}} props
 */
export function Copyable({ label, text, code = false }) {
  const box = useRef(null);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      // Browsers give the clipboard to https pages and to this machine only.
      getSelection().selectAllChildren(box.current);
      toast("The browser doesn’t allow copying here. The text is selected: press Ctrl+C.");
    }
  };
  return html`
    <div class=${code ? "copyable copyable-code" : "copyable"}>
      <pre ref=${box} tabindex="0" role="region" aria-label=${label}>${text}</pre>
      <${Button} small icon=${copied ? "check" : "copy"} onClick=${copy}>
        ${copied ? "Copied" : "Copy"}<span class="unseen"> ${label}</span>
      <//>
    </div>
  `;
}
