import type { QueryRunner } from 'typeorm';

/** One kind of change of a row that leaves an entry. */
export interface AuditedStep {
  on: 'INSERT' | 'UPDATE' | 'DELETE';
  /** `resource.verb_in_the_past`. */
  action: string;
  /** In SQL, of OLD and NEW. Left out, an UPDATE counts when a column that is shown or redacted changes; the other two always do. */
  when?: string;
  /** Who did it where nobody is signed in yet: the column with the person's id. */
  person?: string;
  /** That the change is the consequence of a refusal. */
  result?: 'denied';
}

export interface AuditedTable {
  /** What the entry is about, such as `api_key`. */
  target: string;
  /** The column with the tenant; `tenant_id` when left out. */
  tenant?: string;
  /** The column with the target's id; `id` when left out, null where it has none. */
  id?: string | null;
  /** The column that says to people which one it is. */
  name?: string;
  /** Columns whose values an entry shows. Everything that is in neither list is bookkeeping, and its changes leave no entry. */
  shown: readonly string[];
  /** Columns of which an entry only says that they changed. */
  redacted?: readonly string[];
  /** In the order in which they are tried: of those that fit a change, the first one makes the entry. Left out: created, updated, deleted. */
  steps?: readonly AuditedStep[];
}

const stepsOf = (target: string): AuditedStep[] => [
  { on: 'INSERT', action: `${target}.created` },
  { on: 'UPDATE', action: `${target}.updated` },
  { on: 'DELETE', action: `${target}.deleted` },
];

/**
 * From here on each change of a row that fits one of the steps writes one entry into `audit_entries`, in the same transaction, whoever makes
 * it. What fits none costs the comparison of its conditions. Once for each table; a second time only with steps of other names.
 */
export async function auditTable(runner: QueryRunner, table: string, audited: AuditedTable): Promise<void> {
  const { target, tenant = 'tenant_id', id = 'id', name = null, shown, redacted = [], steps = stepsOf(target) } = audited;
  const columns = [...shown, ...redacted];
  const anyChanged = `(${columns.map((column) => `OLD.${column}`).join(', ')}) IS DISTINCT FROM (${columns.map((column) => `NEW.${column}`).join(', ')})`;
  const earlier: AuditedStep[] = [];
  const conditionOf = ({ on, when }: AuditedStep): string => when ?? (on === 'UPDATE' ? anyChanged : 'true');
  for (const step of steps) {
    const others = earlier.filter(({ on }) => on === step.on).map((other) => `NOT COALESCE(${conditionOf(other)}, false)`);
    const when = [`(${conditionOf(step)})`, ...others].join(' AND ');
    const options = { target, tenant, id, name, person: step.person ?? null, result: step.result ?? 'success' };
    await runner.query(
      `CREATE TRIGGER audit_${step.on.toLowerCase()}_${step.action.replace('.', '_')} AFTER ${step.on} ON ${table} FOR EACH ROW WHEN (${when})
         EXECUTE FUNCTION audit_change('${step.action}', '${JSON.stringify(options)}', '{${shown.join()}}', '{${redacted.join()}}')`,
    );
    earlier.push(step);
  }
}
