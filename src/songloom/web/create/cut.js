// A part of a recording as a file of its own.
const HEADER = 44;
const LOUDEST = 32_767;

/**
 * Cuts a part out of a recording that the browser can read.
 * @param {string} src
 * @param {number} start seconds
 * @param {number} end
 * @returns {Promise<File>} a wav
 */
export async function cut(src, start, end) {
  const data = await (await fetch(src)).arrayBuffer();
  const context = new AudioContext();
  try {
    const audio = await context.decodeAudioData(data);
    const from = Math.floor(start * audio.sampleRate);
    const to = Math.min(audio.length, Math.ceil(end * audio.sampleRate));
    const channels = [0, 1].slice(0, audio.numberOfChannels).map((i) => audio.getChannelData(i).subarray(from, to));
    return new File([wav(channels, audio.sampleRate)], "part.wav", { type: "audio/wav" });
  } finally {
    context.close();
  }
}

/** 16-bit PCM with its header. @param {Float32Array[]} channels @param {number} rate */
function wav(channels, rate) {
  const bytes = 2 * channels.length * channels[0].length;
  const view = new DataView(new ArrayBuffer(HEADER + bytes));
  const word = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, HEADER - 8 + bytes, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * channels.length * rate, true);
  view.setUint16(32, 2 * channels.length, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, bytes, true);
  let at = HEADER;
  for (let i = 0; i < channels[0].length; i += 1) {
    for (const channel of channels) {
      view.setInt16(at, Math.round(Math.min(1, Math.max(-1, channel[i])) * LOUDEST), true);
      at += 2;
    }
  }
  return view;
}
