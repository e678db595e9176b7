import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { AppError } from './errors.js';

/** Nobody is there to read it; 499 is what proxies log for a client that left. */
export class ClientHungUp extends AppError {
  constructor() {
    super({ status: 499, code: 'client_hung_up', title: 'Client hung up', detail: 'The client closed the connection before it was answered.' });
  }
}

/**
 * Aborted with `ClientHungUp` when the client leaves before its answer is complete, so that long work ends with whoever wanted it. Not Fastify's
 * `request.signal`: that is aborted as soon as the body has been read.
 */
export const UntilHungUp = createParamDecorator((_: unknown, context: ExecutionContext): AbortSignal => {
  const { raw } = context.switchToHttp().getResponse<FastifyReply>();
  const controller = new AbortController();
  const leave = (): void => {
    if (!raw.writableFinished) controller.abort(new ClientHungUp());
  };
  if (raw.destroyed) leave();
  else raw.once('close', leave);
  return controller.signal;
});
