import { breachesOf, type Operation } from './openapi-operations.js';

/** An answer as it came over the wire. */
export interface WireAnswer {
  status: number;
  headers: Headers;
  text: string;
}

const SNAKE_CASE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
/** Stacks, SQL, paths of this machine and values that were printed by mistake. */
const INSIDE = /node_modules|\bat (?:async )?[\w.<>]+ \(|\.ts:\d|\.js:\d|\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM) \w|relation "|violates|syntax error|\/tmp\/|\[object Object\]|\bundefined\b|\bNaN\b/;
/** Said of these where nothing was done wrong here: a URL that somebody named does not answer, a queue is full. */
const MAY_BE_AWAY = new Set([502, 503, 504]);

function problemComplaints({ status, headers, text }: WireAnswer, sent: string): string[] {
  const body = JSON.parse(text) as Record<string, unknown>;
  const complaints: string[] = [];
  if (body['status'] !== status) complaints.push(`the problem says ${String(body['status'])}`);
  if (!SNAKE_CASE.test(String(body['code']))) complaints.push(`code is ${String(body['code'])}`);
  if (body['request_id'] !== headers.get('x-request-id')) complaints.push('request_id is not that of the header');
  if (body['code'] === 'validation_failed' && !(Array.isArray(body['errors']) && body['errors'].length > 0)) complaints.push('validation failed, of no field');
  const inside = INSIDE.exec(JSON.stringify({ ...body, instance: '' }));
  // What was sent may be said again.
  if (inside && !sent.includes(inside[0])) complaints.push(`gives the inside away: ${inside[0]}`);
  return complaints;
}

function headerComplaints({ status, headers }: WireAnswer): string[] {
  const complaints: string[] = [];
  for (const name of ['x-request-id', 'content-security-policy', 'referrer-policy']) if (!headers.get(name)) complaints.push(`no ${name}`);
  if (headers.get('x-content-type-options') !== 'nosniff') complaints.push('no nosniff');
  if (!headers.get('cache-control')?.includes('no-store')) complaints.push(`cache-control is ${headers.get('cache-control') ?? 'missing'}`);
  for (const name of ['x-powered-by', 'server']) if (headers.has(name)) complaints.push(`has ${name}`);
  if (status === 401 && !headers.get('www-authenticate')) complaints.push('401 without WWW-Authenticate');
  return complaints;
}

function bodyComplaints(operation: Operation, answer: WireAnswer): string[] {
  const declared = operation.answers[String(answer.status)];
  if (!declared) return [`status ${answer.status} is not declared`];
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  if (Object.keys(declared).length === 0) return answer.text === '' ? [] : ['has a body, and none is declared'];
  const media = declared[type] ?? declared['*/*'];
  if (!media) return [`content type ${type} is not declared`];
  return /[/+]json$/.test(type) && !declared['*/*'] ? breachesOf(media.schema, JSON.parse(answer.text)) : [];
}

/** Whatever an answer must not be, whoever asked what; empty when all is well. */
export function complaintsAbout(operation: Operation, answer: WireAnswer, sent: string): string[] {
  if (answer.status >= 500 && !MAY_BE_AWAY.has(answer.status)) return [`${answer.status}: ${answer.text.slice(0, 200)}`];
  const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json') ?? false;
  if (answer.status >= 400 && !isProblem) return [`${answer.status} is no problem document`];
  return [...headerComplaints(answer), ...bodyComplaints(operation, answer), ...(isProblem ? problemComplaints(answer, sent) : [])];
}
