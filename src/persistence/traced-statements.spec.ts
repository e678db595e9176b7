import { summaryOf, withoutLiterals } from './traced-statements.js';

describe('a statement in a trace', () => {
  it('keeps no literal', () => {
    expect(withoutLiterals(`UPDATE jobs SET summary = 'it''s late',\n  status = $1 WHERE note = 'x'`)).toBe('UPDATE jobs SET summary = ?, status = $1 WHERE note = ?');
  });

  it.each([
    ['UPDATE jobs SET x = 1 FROM other', 'UPDATE jobs'],
    ['SELECT id, name FROM "documents" "d" WHERE id = $1', 'SELECT documents'],
    ['INSERT INTO "events" (tenant_id) VALUES ($1)', 'INSERT events'],
    ['DELETE FROM pgboss.job WHERE id = $1', 'DELETE pgboss.job'],
    ['COMMIT', 'COMMIT'],
    [`SELECT set_config('role', $1, true)`, 'SELECT'],
  ])('is called after what it does to which table: %s', (statement, summary) => expect(summaryOf(statement)).toBe(summary));
});
