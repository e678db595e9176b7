import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { AuthenticatedRequest } from './principal.js';

/** An error as it was answered, with the request that asked for it. */
export interface Refusal {
  request: FastifyRequest & AuthenticatedRequest;
  status: number;
  code: string;
}

/** Hears of every error that is answered, for whoever keeps count of them; what listens must not wait and not throw. */
@Injectable()
export class Refusals {
  private readonly listeners: ((refusal: Refusal) => void)[] = [];

  listen(listener: (refusal: Refusal) => void): void {
    this.listeners.push(listener);
  }

  tell(refusal: Refusal): void {
    for (const listener of this.listeners) listener(refusal);
  }
}
