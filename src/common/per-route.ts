import type { ExecutionContext } from '@nestjs/common';

/** What the decorators say about a route, read at its first request: they never change, and reflection costs more than the checks that follow from it. */
export class PerRoute<T> {
  private readonly known = new WeakMap<object, WeakMap<object, { value: T }>>();

  constructor(private readonly read: (context: ExecutionContext) => T) {}

  of(context: ExecutionContext): T {
    const handler = context.getHandler();
    const controller = context.getClass();
    // By both: a handler may be inherited, and each controller is decorated for itself.
    let ofController = this.known.get(controller);
    if (!ofController) this.known.set(controller, (ofController = new WeakMap()));
    let entry = ofController.get(handler);
    if (!entry) ofController.set(handler, (entry = { value: this.read(context) }));
    return entry.value;
  }
}
