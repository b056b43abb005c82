// How far predictions and trainings are.

const ENDED = new Set(["succeeded", "failed", "canceled"]);

/** Whether nothing will change any more. @param {{status: string}} job */
export const ended = (job) => ENDED.has(job.status);
