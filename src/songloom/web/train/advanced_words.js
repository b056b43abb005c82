// The advanced settings of a training in plain words. A setting that is not here shows the server's own.

/** For what is in none of them. */
export const LAST = "More";

/** Settings by their group, and by the input's name in it. */
const WORDS = {
  "What it hears": {
    auto_labeling: { label: "Listen for tempo and key", help: "Labels you did not enter are detected from the songs." },
    drop_vocals: {
      label: "Remove the singing first",
      help: "The model can’t learn to sing. Default: only if Demucs is installed, which does it well.",
      depends: true,
    },
    vocal_separator: { label: "Remove the singing with", help: "demucs is far better; builtin needs no installation." },
    tagger: {
      label: "Detect genre, mood and instruments",
      help: "With an extra model that must be installed on the server: effnet (not for commercial use) or clap.",
    },
    labels_optional: { label: "Continue without that model", help: "If it can’t be loaded, train without its labels." },
    held_out: { label: "Songs kept aside", help: "Share of the songs that the model never learns from, used to measure the result. Needs at least four songs; 0 keeps none." },
  },
  "How long it learns": {
    epochs: { label: "Epochs", help: "How many rounds of learning. After each, the model is measured on the songs kept aside." },
    updates_per_epoch: { label: "Updates in an epoch", help: "More take longer and learn more." },
    batch_size: { label: "Excerpts at a time", help: "How many excerpts of music the model hears before each small change. Fewer are faster but rougher." },
    window_seconds: { label: "Seconds of an excerpt", help: "Shorter ones need less memory and time; longer ones teach longer arcs." },
    validate_every: { label: "Updates between measurements", help: "On the songs kept aside. Default: once per epoch." },
    patience: { label: "Stop when it no longer helps", help: "Stop after this many measurements without improvement. Default: never." },
    keep: { label: "Which state to keep", help: "The one that does best on the songs kept aside, or the last." },
    max_minutes: { label: "Stop after minutes", help: "The model keeps what it learned until then." },
  },
  "How it learns": {
    optimizer: { label: "Optimiser", help: "dadam finds the learning rate by itself; adamw uses yours; adafactor needs the least memory." },
    lr: { label: "Pace of learning (learning rate)", help: "For dadam, 1 is its own pace, and 0.5 half of it. Lower it when the result is noise.", depends: true },
    lr_scheduler: { label: "Pace over time", help: "How the pace changes after the first updates." },
    warmup: { label: "Gentle start", help: "Updates in which the learning rate rises from zero." },
    cfg_p: { label: "Excerpts without a description", help: "Share of excerpts learned without their description, so that “How closely to follow your words” has an effect later." },
    weight_decay: { label: "Pull towards zero (weight decay)", help: "A little of it keeps the changes small." },
    max_grad_norm: { label: "Longest step (gradient norm)", help: "Larger changes are scaled down; 0 turns this off." },
    ema_decay: { label: "Average over time", help: "Keeps an average of recent states instead of the last one; 0 turns this off." },
    seed: { label: "Seed", help: "Determines everything random. The same seed gives the same model." },
  },
  "What it changes": {
    full: { label: "Change the whole model", help: "Instead of a small addition to it. Learns more from many songs but needs much more memory and disk space." },
    lora_rank: { label: "Size of the addition (rank)", help: "How much it can learn and how large its file is." },
    lora_alpha: { label: "Strength of the addition (alpha)", help: "Default: twice the rank." },
    lora_targets: { label: "Layers that it changes", help: "attention changes the least; layers is the default; all also relearns words." },
    adapt_decoder: { label: "Tune the decoder", help: "Adapts how the model produces sound so that it is closer to your songs. Default: if the model is small and it helps." },
    lora_dropout: { label: "Dropout", help: "Leaves out random parts while learning, to prevent memorising." },
  },
  "Pieces to listen to": {
    previews: { label: "Pieces to compare", help: "Made before and after training from the same descriptions." },
    preview_seconds: { label: "Seconds of these pieces", help: "Longer ones tell you more but take longer." },
    preview_every: { label: "Updates between pieces on the way", help: "Each lets you hear the progress and takes a few seconds." },
  },
  "Memory and speed": {
    precision: { label: "Precision", help: "auto picks the fastest that is accurate on this computer." },
    micro_batch: { label: "Excerpts computed at once", help: "Default: as many as fit into memory. It does not change what is learned." },
    gradient_checkpointing: { label: "Save memory", help: "Computes layers twice; auto does so if memory is short." },
    processes: { label: "Songs prepared at a time", help: "Default: one per processor core." },
    save_minutes: { label: "Minutes between saved states", help: "After a crash, training continues from the last one." },
  },
};

/** Headings, in their order. */
export const GROUPS = Object.keys(WORDS);

/** @type {Record<string, {label: string, help: string, group: string, depends?: boolean}>} by the input's name */
export const PLAIN = Object.fromEntries(
  Object.entries(WORDS).flatMap(([group, inputs]) =>
    Object.entries(inputs).map(([name, words]) => [name, { ...words, group }])),
);
