// The one static handler that every server here answers with.
import 'reflect-metadata';
import { Controller, Get } from '@nestjs/common';

export const ANSWER = { pong: true };

/** A controller made without a compiler: decorators are functions. */
export function pingController(...decorators) {
  class PingController {
    ping() {
      return ANSWER;
    }
  }
  Controller('bench')(PingController);
  const descriptor = Object.getOwnPropertyDescriptor(PingController.prototype, 'ping');
  for (const decorate of [Get('ping'), ...decorators]) decorate(PingController.prototype, 'ping', descriptor);
  return PingController;
}
