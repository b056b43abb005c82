// The advanced settings of a training in plain words. A setting that is not here shows the server's own.

/** For what is in none of them. */
export const LAST = "More";

/** Settings by their group, and by the input's name in it. */
const WORDS = {
  "What it hears": {
    auto_labeling: { label: "Listen for tempo and key", help: "Labels that you did not give are heard from the songs." },
    drop_vocals: {
      label: "Remove the singing first",
      help: "The model cannot learn to sing. As usual: only where Demucs is installed, which does it well.",
      depends: true,
    },
    vocal_separator: { label: "Removes the singing with", help: "demucs is far better; builtin needs nothing installed." },
    tagger: {
      label: "Hear genre, mood and instruments",
      help: "By a further model, which has to be installed on the server: effnet (not for commercial use) or clap.",
    },
    labels_optional: { label: "Go on without that model", help: "If it cannot be loaded, train without its labels." },
    held_out: { label: "Songs kept aside", help: "Share of the songs that it never learns from, to measure on. From four songs on; 0 keeps none." },
  },
  "How long it learns": {
    epochs: { label: "Epochs", help: "How many stretches of learning. After each, it is measured on the songs kept aside." },
    updates_per_epoch: { label: "Updates in an epoch", help: "More of them take longer, and learn more." },
    batch_size: { label: "Excerpts at a time", help: "How many excerpts of music it hears before it changes a little. Fewer are faster, and rougher." },
    window_seconds: { label: "Seconds of an excerpt", help: "Shorter ones need less memory and time; longer ones teach longer arcs." },
    validate_every: { label: "Updates between measurements", help: "On the songs kept aside. As usual: once in an epoch." },
    patience: { label: "Stop when it no longer helps", help: "After so many measurements without improvement. As usual: never." },
    keep: { label: "Which state to keep", help: "best on the songs kept aside, or the last." },
    max_minutes: { label: "Stop after minutes", help: "And make a model of what was learned until then." },
  },
  "How it learns": {
    optimizer: { label: "Optimiser", help: "dadam finds the pace by itself; adamw takes yours; adafactor needs the least memory." },
    lr: { label: "Pace of learning (learning rate)", help: "For dadam, 1 is its own pace, and 0.5 half of it. Lower it when the result is noise.", depends: true },
    lr_scheduler: { label: "Pace over time", help: "How the pace changes after the first updates." },
    warmup: { label: "Gentle start", help: "Updates in which the pace rises from nothing." },
    cfg_p: { label: "Excerpts without words", help: "Share of excerpts that are learned without their description, so that later “follow the words” has an effect." },
    weight_decay: { label: "Pull towards nothing (weight decay)", help: "A little of it keeps what is learned small." },
    max_grad_norm: { label: "Longest step (gradient norm)", help: "Larger changes are made smaller; 0 leaves them." },
    ema_decay: { label: "Average over time", help: "Keeps an average of the last states in place of the last; 0 does not." },
    seed: { label: "Seed", help: "Decides everything that is drawn at random. The same one gives the same model." },
  },
  "What it changes": {
    full: { label: "Change the whole model", help: "Instead of a small addition to it. Learns more from many songs; needs much more memory and disk." },
    lora_rank: { label: "Size of the addition (rank)", help: "How much it can learn, and how large its file is." },
    lora_alpha: { label: "Strength of the addition (alpha)", help: "As usual: twice its rank." },
    lora_targets: { label: "Layers that it changes", help: "attention is the least; layers is the usual; all learns the words anew, too." },
    adapt_decoder: { label: "Tune the decoder", help: "Changes how the model's sound is made, so that it is nearer to your songs. As usual: where the model is small and it helps." },
    lora_dropout: { label: "Forgetfulness (dropout)", help: "Leaves out a random part while learning, against learning by heart." },
  },
  "Pieces to listen to": {
    previews: { label: "Pieces to compare", help: "That are made before and after, by the same words." },
    preview_seconds: { label: "Seconds of these pieces", help: "Longer ones say more, and take longer." },
    preview_every: { label: "Updates between pieces on the way", help: "Each lets you hear how it comes along, and takes a few seconds." },
  },
  "Memory and speed": {
    precision: { label: "Precision", help: "auto is the fastest that is accurate on this machine." },
    micro_batch: { label: "Excerpts computed at once", help: "As usual: as many as fit into memory. It does not change what is learned." },
    gradient_checkpointing: { label: "Save memory", help: "Computes layers twice; auto does so where memory is short." },
    processes: { label: "Songs prepared at a time", help: "As usual: one for each core of the processor." },
    save_minutes: { label: "Minutes between saved states", help: "After a crash it goes on from the last one." },
  },
};

/** Headings, in their order. */
export const GROUPS = Object.keys(WORDS);

/** @type {Record<string, {label: string, help: string, group: string, depends?: boolean}>} by the input's name */
export const PLAIN = Object.fromEntries(
  Object.entries(WORDS).flatMap(([group, inputs]) =>
    Object.entries(inputs).map(([name, words]) => [name, { ...words, group }])),
);
