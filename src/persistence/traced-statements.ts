import type { QueryRunner } from 'typeorm';
import { inSpan, isTracing } from '../tracing/tracing.js';

const LITERALS = /'(?:[^']|'')*'/g;
const SHAPE = /^\s*(\w+)(?:[\s\S]*?\b(?:FROM|INTO|UPDATE|JOIN)\s+("?\w+"?(?:\."?\w+"?)?))?/i;

/** A statement as a trace may show it. Values are parameters and never part of it; literals go all the same, so that none is by mistake. */
export const withoutLiterals = (statement: string): string => statement.replaceAll(LITERALS, '?').replaceAll(/\s+/g, ' ').trim();

/** Such as `UPDATE jobs`. */
export function summaryOf(statement: string): string {
  const [, operation = 'SQL', table] = SHAPE.exec(statement) ?? [];
  const target = operation.toUpperCase() === 'UPDATE' ? (/^\s*UPDATE\s+("?\w+"?)/i.exec(statement)?.[1] ?? table) : table;
  return [operation.toUpperCase(), target?.replaceAll('"', '')].filter(Boolean).join(' ');
}

/** Makes each statement of the runner a span, while traces are exported. */
export function traceStatements(runner: QueryRunner): void {
  if (!isTracing()) return;
  const query = runner.query.bind(runner) as (...all: unknown[]) => Promise<unknown>;
  const traced = (statement: string, ...rest: unknown[]): Promise<unknown> => {
    const summary = summaryOf(statement);
    return inSpan(summary, 'CLIENT', { 'db.system.name': 'postgresql', 'db.query.summary': summary, 'db.query.text': withoutLiterals(statement) }, () => query(statement, ...rest));
  };
  Object.assign(runner, { query: traced });
}
