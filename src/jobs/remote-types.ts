/** What only a worker elsewhere can read. */
export const REMOTE_TYPES = ['audio', 'video', 'image'] as const;
export type RemoteType = (typeof REMOTE_TYPES)[number];

/** A job as one attempt of a worker elsewhere knows it. */
export interface RemoteAttempt {
  id: string;
  attempt: number;
}
