// The one static handler that every server here answers with.
import 'reflect-metadata';
import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';

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

/** The same for who sends a body: it is read, and answered with itself. */
export function pongController() {
  class PongController {
    pong(body) {
      return body;
    }
  }
  Controller('bench')(PongController);
  const descriptor = Object.getOwnPropertyDescriptor(PongController.prototype, 'pong');
  for (const decorate of [Post('pong'), HttpCode(200)]) decorate(PongController.prototype, 'pong', descriptor);
  Body()(PongController.prototype, 'pong', 0);
  return PongController;
}
