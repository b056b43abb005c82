// Recordings on their way to the server, which says at once whether it can read them.
import { ApiError, api } from "../api.js";

/**
 * Uploads a recording; one that can't be read is refused in words for its owner.
 * @param {File} file
 * @param {(share: number|null) => void} [onProgress] from 0 to 1; null while the server reads it
 * @returns {Promise<{url: string, src: string, seconds: number, peaks: number[], rms: number[]}>}
 */
export async function uploadRecording(file, onProgress = () => {}) {
  const sent = await api.uploadFile(file, onProgress);
  onProgress(null);
  try {
    const drawn = await api.get(`/v1/files/${sent.id}/peaks`);
    return { url: sent.urls.get, src: sent.urls.download, ...drawn };
  } catch (error) {
    api.del(`/v1/files/${sent.id}`).catch(() => {});  // nobody will use it
    if (error.status !== 400) throw error;
    throw new ApiError(
      400, "Unreadable recording",
      `“${file.name}” can’t be read as audio. It may be damaged or not an audio file. Choose another one.`,
    );
  }
}
