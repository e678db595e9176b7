import { Webhook } from 'standardwebhooks';
import { newSecret, signatureHeaders } from './signature.js';

const now = (): number => Math.floor(Date.now() / 1000);

describe('a signature', () => {
  const message = { id: 'msg_1', timestamp: now(), body: '{"type":"webhook.test","data":{"text":"naïve ☃"}}' };

  it('is what the reference library makes, and verifies', () => {
    const secret = newSecret();
    const headers = signatureHeaders([secret], message);
    expect(headers['webhook-signature']).toBe(new Webhook(secret).sign(message.id, new Date(message.timestamp * 1000), message.body));
    expect(new Webhook(secret).verify(message.body, headers)).toEqual(JSON.parse(message.body));
  });

  it('is accepted with either secret during a rotation, and with no other', () => {
    const secrets = [newSecret(), newSecret()];
    const headers = signatureHeaders(secrets, message);
    for (const secret of secrets) expect(() => new Webhook(secret).verify(message.body, headers)).not.toThrow();
    expect(() => new Webhook(newSecret()).verify(message.body, headers)).toThrow('No matching signature found');
  });

  it.each([
    ['the body', { body: '{}' }],
    ['the id', { id: 'msg_2' }],
    ['the time', { timestamp: message.timestamp - 1 }],
  ])('does not hold for another message: %s', (_, change) => {
    const secret = newSecret();
    const { 'webhook-signature': signature } = signatureHeaders([secret], message);
    const { id, timestamp, body } = { ...message, ...change };
    const headers = { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signature! };
    expect(() => new Webhook(secret).verify(body, headers)).toThrow('No matching signature found');
  });

  it('too old is refused by the reference library, so each attempt signs its own time', () => {
    const secret = newSecret();
    const headers = signatureHeaders([secret], { ...message, timestamp: now() - 600 });
    expect(() => new Webhook(secret).verify(message.body, headers)).toThrow('too old');
  });
});
