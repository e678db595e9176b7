/** So many of them at a time, each once. */
export async function atOnce(things, width, work) {
  const rest = things.entries();
  await Promise.all(Array.from({ length: width }, async () => {
    for (const [at, thing] of rest) await work(thing, at);
  }));
}
