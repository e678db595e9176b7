// The servers' side of the talk with the runner: says where it listens, answers how much time it took, ends when the runner does.

export function serve(url, close) {
  process.on('message', (message) => {
    if (message !== 'cpu') return;
    const { user, system } = process.cpuUsage();
    process.send({ cpuMicros: user + system });
  });
  process.on('disconnect', () => void close().finally(() => process.exit(0)));
  process.send({ url });
}
