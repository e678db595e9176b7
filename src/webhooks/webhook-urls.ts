import { Injectable } from '@nestjs/common';
import { parseTarget } from '../outbound/address-policy.js';
import { UrlNotAllowed } from '../outbound/outbound.errors.js';
import { Outbound } from '../outbound/outbound.js';

/** Addresses that are named now and called later. */
@Injectable()
export class WebhookUrls {
  constructor(private readonly outbound: Outbound) {}

  /** The URL as it is stored, in one spelling. @throws UrlNotAllowed, whether it is blocked or unknown */
  async requireStorable(url: string): Promise<string> {
    const target = parseTarget(url);
    if (!target) throw new UrlNotAllowed();
    await this.outbound.assertStorable(target);
    return new URL(url).href;
  }
}
