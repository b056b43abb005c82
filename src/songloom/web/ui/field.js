// Inputs with a label, a plain explanation, and what is wrong; all take `value` and `onChange`.
import { classes, html, useId } from "./html.js";
import { Icon } from "./icon.js";

/**
 * The frame of an input. Its child is a function that is given the attributes which tie the
 * input to its texts.
 * @param {{label: any, help?: any, error?: string, hideLabel?: boolean, note?: any,
 *   class?: string, children: (ties: object) => any}} props
 */
export function Field({ label, help, error, note, hideLabel, class: extra, children }) {
  const id = useId();
  const told = classes(help && `${id}-help`, error && `${id}-error`);
  const ties = {
    id,
    "aria-describedby": told || undefined,
    "aria-invalid": error ? "true" : undefined,
  };
  return html`<div class=${classes("field", error && "field-wrong", extra)}>
    <div class=${classes("field-head", hideLabel && "unseen")}>
      <label for=${id}>${label}</label>
      ${note !== undefined && html`<span class="field-note">${note}</span>`}
    </div>
    ${children(ties)}
    ${help && html`<p class="field-help" id=${`${id}-help`}>${help}</p>`}
    ${error && html`<p class="field-error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

/** A line of text. @param {object} props */
export function TextField({ label, help, error, hideLabel, note, value, onChange, type = "text", ...rest }) {
  return html`<${Field} ...${{ label, help, error, hideLabel, note }}>
    ${(ties) => html`<input
      class="input" type=${type} value=${value ?? ""} ...${ties}
      onInput=${(event) => onChange(event.currentTarget.value)} ...${rest}
    />`}
  <//>`;
}

/** Several lines of text. @param {object} props */
export function TextArea({ label, help, error, hideLabel, note, value, onChange, rows = 3, ...rest }) {
  return html`<${Field} ...${{ label, help, error, hideLabel, note }}>
    ${(ties) => html`<textarea
      class="input" rows=${rows} value=${value ?? ""} ...${ties}
      onInput=${(event) => onChange(event.currentTarget.value)} ...${rest}
    ></textarea>`}
  <//>`;
}

/** A number; an empty one is null. @param {object} props */
export function NumberField({ label, help, error, hideLabel, note, value, onChange, unit, ...rest }) {
  const read = (text) => (text.trim() === "" ? null : Number(text));
  return html`<${Field} ...${{ label, help, error, hideLabel, note }}>
    ${(ties) => html`<div class="input-unit">
      <input
        class="input" type="number" inputmode="decimal" step="any" value=${value ?? ""} ...${ties}
        onInput=${(event) => onChange(read(event.currentTarget.value))} ...${rest}
      />
      ${unit && html`<span aria-hidden="true">${unit}</span>`}
    </div>`}
  <//>`;
}

/**
 * A choice from a list. `options` are texts, or objects {value, label, disabled}.
 * @param {object} props
 */
export function Select({ label, help, error, hideLabel, note, value, onChange, options, ...rest }) {
  const list = options.map((option) => (typeof option === "object" ? option : { value: option, label: option }));
  return html`<${Field} ...${{ label, help, error, hideLabel, note }}>
    ${(ties) => html`<div class="select">
      <select
        class="input" value=${value ?? ""} ...${ties}
        onChange=${(event) => onChange(event.currentTarget.value)} ...${rest}
      >
        ${list.map((option) => html`<option
          key=${option.value} value=${option.value} disabled=${option.disabled}
          selected=${option.value === (value ?? "")}
        >${option.label}</option>`)}
      </select>
      <${Icon} name="down" />
    </div>`}
  <//>`;
}

/**
 * A number on a scale. `shown` puts it into words.
 * @param {{value: number, min: number, max: number, step?: number, shown?: (value: number) => string}
 *   & object} props
 */
export function Slider({ label, help, error, value, onChange, min, max, step = 1, shown = String, ...rest }) {
  const share = max > min ? (100 * (Math.min(max, Math.max(min, value)) - min)) / (max - min) : 0;
  return html`<${Field} ...${{ label, help, error }} note=${shown(value)}>
    ${(ties) => html`<input
      class="slider" type="range" min=${min} max=${max} step=${step} value=${value}
      style=${{ "--share": `${share}%` }} aria-valuetext=${shown(value)} ...${ties}
      onInput=${(event) => onChange(Number(event.currentTarget.value))} ...${rest}
    />`}
  <//>`;
}

/** On or off. @param {{label: any, help?: any, value: boolean, onChange: (on: boolean) => void}} props */
export function Switch({ label, help, error, value, onChange, ...rest }) {
  const id = useId();
  const told = classes(help && `${id}-help`, error && `${id}-error`);
  return html`<div class="field">
    <div class="switch-row">
      <label for=${id}>${label}</label>
      <input
        id=${id} class="switch" type="checkbox" role="switch" checked=${Boolean(value)}
        aria-describedby=${told || undefined}
        onChange=${(event) => onChange(event.currentTarget.checked)} ...${rest}
      />
    </div>
    ${help && html`<p class="field-help" id=${`${id}-help`}>${help}</p>`}
    ${error && html`<p class="field-error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

/**
 * A few choices side by side, of which one holds.
 * @param {{label: any, value: string, onChange: (value: string) => void, help?: any,
 *   options: {value: string, label: any, disabled?: boolean}[], hideLabel?: boolean}} props
 */
export function Segmented({ label, help, error, value, onChange, options, hideLabel, disabled }) {
  const id = useId();
  return html`<fieldset class="field segmented" aria-describedby=${help ? `${id}-help` : undefined}>
    <legend class=${hideLabel ? "unseen" : "field-head"}>${label}</legend>
    <div class="segments">
      ${options.map((option) => html`<label
        key=${option.value}
        class=${classes("segment", option.value === value && "segment-on")}
      >
        <input
          type="radio" name=${id} value=${option.value} checked=${option.value === value}
          disabled=${disabled || option.disabled} onChange=${() => onChange(option.value)}
        />
        <span>${option.label}</span>
      </label>`)}
    </div>
    ${help && html`<p class="field-help" id=${`${id}-help`}>${help}</p>`}
    ${error && html`<p class="field-error">${error}</p>`}
  </fieldset>`;
}
