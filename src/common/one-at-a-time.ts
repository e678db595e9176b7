/** Whoever asks while an answer is under way gets that one: what hangs is then waited for once, however many ask. */
export function oneAtATime<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => (running ??= work().finally(() => (running = undefined)));
}
