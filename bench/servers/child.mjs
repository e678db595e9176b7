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

/** Does the tasks it is asked for, one at a time, and answers what each gives back. */
export function answer(tasks) {
  process.on('message', (message) => {
    if (tasks[message.task] === undefined) return;
    Promise.resolve(tasks[message.task](message)).then(
      (result) => process.send(result ?? {}),
      (error) => process.send({ failure: error.stack }),
    );
  });
}
