// All further settings of a training, made from the server's own schema: what is new there appears here.

import { html, useEffect, useSignal } from "../ui/html.js";
import { api } from "../api.js";
import { Button } from "../ui/button.js";
import { NumberField, Select, TextField } from "../ui/field.js";
import { plural, sentence } from "../ui/format.js";
import { GROUPS, LAST, PLAIN } from "./advanced_words.js";

/** What the form asks elsewhere, or a page cannot give. */
const ELSEWHERE = ["dataset_path", "model", "model_version", "one_same_description", "labels"];

/**
 * The folded-away settings.
 * @param {{values: object, suggested: object, onChange: (values: object) => void}} props
 *   `values` holds only what was changed; `suggested` is what the slider stands for
 */
export function Advanced({ values, suggested, onChange }) {
  const open = useSignal(false);
  const schema = useSchema(open.value);
  const changed = Object.keys(values).length;
  const set = (name, value) => {
    const { [name]: before, ...others } = values;
    onChange(value === null || value === "" ? others : { ...others, [name]: value });
  };
  return html`
    <details class="advanced" open=${open.value} onToggle=${(event) => { open.value = event.currentTarget.open; }}>
      <summary>Advanced${changed > 0 && `: ${plural(changed, "change")}`}</summary>
      <div class="advanced-head">
        <p class="muted">Settings you don’t change follow from the slider and the model.</p>
        ${changed > 0 && html`<${Button} small icon="restore" onClick=${() => onChange({})}>Reset to defaults<//>`}
      </div>
      ${schema.value?.error && html`<p class="danger">The settings can’t be shown: ${schema.value.error}</p>`}
      <div class="advanced-fields">
        ${grouped(schema.value?.inputs ?? []).map(({ group, inputs }) => html`
          <h3 key=${group}>${group}</h3>
          ${inputs.map((input) => html`<${Setting}
            key=${input.name} input=${input} value=${values[input.name]} suggested=${suggested[input.name]}
            onChange=${(value) => set(input.name, value)}
          />`)}
        `)}
      </div>
    </details>
  `;
}

/** Inputs under the headings that they belong to; those that nobody sorted come last. */
function grouped(inputs) {
  const groups = new Map([...GROUPS, LAST].map((group) => [group, []]));
  for (const input of inputs) groups.get(PLAIN[input.name]?.group ?? LAST).push(input);
  return [...groups].map(([group, members]) => ({ group, inputs: members })).filter(({ inputs: members }) => members.length);
}

function Setting({ input, value, suggested, onChange }) {
  const plain = PLAIN[input.name];
  const label = plain?.label ?? sentence(input.name.replaceAll("_", " "));
  const help = plain?.help ?? input.description;
  const usual = suggested ?? input.default;
  if (input.enum || input.type === "boolean") {
    const words = (choice) => (choice === true ? "on" : choice === false ? "off" : choice);
    const choices = input.enum ?? [true, false];
    // Some defaults depend on the machine, so "default" is a choice of its own.
    const options = [
      { value: "", label: usual == null || plain?.depends ? "default" : `default (${words(usual)})` },
      ...choices.map((choice) => ({ value: String(choice), label: words(choice) })),
    ];
    const read = (text) => (text === "" ? null : choices.find((choice) => String(choice) === text));
    return html`<${Select} label=${label} help=${help} options=${options} value=${value === undefined ? "" : String(value)}
      onChange=${(text) => onChange(read(text))} />`;
  }
  const shared = { label, help, value, onChange, placeholder: usual == null ? "default" : String(usual) };
  if (input.type === "string") return html`<${TextField} ...${shared} />`;
  const whole = input.type === "integer";
  return html`<${NumberField} ...${shared} min=${input.minimum} max=${input.maximum} step=${whole ? 1 : "any"} />`;
}

/** The inputs of trainings, in their order; fetched when they are first looked at. */
function useSchema(wanted) {
  const schema = useSignal(null);
  useEffect(() => {
    if (!wanted || schema.value) return;
    api.get("/openapi.json").then(
      ({ components: { schemas } }) => { schema.value = { inputs: inputsOf(schemas) }; },
      (error) => { schema.value = { error: error.detail || error.message }; },
    );
  }, [wanted]);
  return schema;
}

function inputsOf(schemas) {
  return Object.entries(schemas.TrainingInput.properties)
    .filter(([name]) => !ELSEWHERE.includes(name))
    .map(([name, property]) => {
      const choices = schemas[property.allOf?.[0]?.$ref?.split("/").pop()] ?? {};
      return { ...choices, ...property, name };
    })
    .sort((one, other) => one["x-order"] - other["x-order"]);
}
