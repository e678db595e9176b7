// The floor: NestJS on Fastify with the static handler and nothing else.
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { serve } from './child.mjs';
import { pingController, pongController } from './ping.mjs';

class BareModule {}
Module({ controllers: [pingController(), pongController()] })(BareModule);

const app = await NestFactory.create(BareModule, new FastifyAdapter({ forceCloseConnections: true }), { logger: false });
await app.listen(0, '127.0.0.1');
serve(await app.getUrl(), () => app.close());
