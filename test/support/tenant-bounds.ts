import type { PlanNode } from './plan-listener.js';

/** Of each table of tenants, the column that says whose a row is. */
export type TenantColumns = ReadonlyMap<string, string>;

const CONDITIONS = ['Index Cond', 'Recheck Cond', 'Filter', 'Join Filter', 'Hash Cond', 'Merge Cond', 'TID Cond'];
const COLUMN = /^([^.()'\s]+)\.(\w+)$/;
const TENANT = /^'([0-9a-f-]{36})'::uuid$/;
const ONE_TENANT = /^ANY \('\{([0-9a-f-]{36})\}'::uuid\[\]\)$/;

/** Each sign that is neither within parentheses nor within quotes, by where it is. */
function* outermost(text: string): Generator<number> {
  let depth = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]!;
    if (quote) quote = sign === quote ? '' : quote;
    else if (sign === "'" || sign === '"') quote = sign;
    else if (sign === '(') depth++;
    else if (sign === ')') depth--;
    if (depth === 0 && !quote) yield at;
  }
}

/** Without the parentheses around all of it. */
function bare(expression: string): string {
  const text = expression.trim();
  if (!text.startsWith('(')) return text;
  const [closing] = outermost(text);
  return closing === text.length - 1 ? bare(text.slice(1, -1)) : text;
}

/** What has to be true altogether, each by itself: PostgreSQL puts what belongs to one AND or OR into parentheses of its own. */
function conjunctsOf(condition: string): string[] {
  const text = bare(condition);
  const ends = [...outermost(text)].filter((at) => text.startsWith(' AND ', at));
  if (ends.length === 0) return [text];
  return [0, ...ends].map((from, part) => text.slice(part === 0 ? from : from + ' AND '.length, ends[part])).flatMap(conjunctsOf);
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/** Columns with the same value are in one group; the tenant itself is a member, too. */
class Groups {
  private readonly parents = new Map<string, string>();

  join(one: string, other: string): void {
    this.parents.set(this.of(one), this.of(other));
  }

  of(member: string): string {
    const parent = this.parents.get(member);
    return parent === undefined || parent === member ? member : this.of(parent);
  }
}

export interface TenantBounds {
  /** Tables that are read or written without a condition that their rows are this tenant's, each as `table alias`. */
  unbound: string[];
  /** Of how many different, perhaps, tenants rows are put together; those of `unbound` that are joined by tenant count once. */
  groups: number;
}

/** What a plan says of whose rows it reads: a condition counts only when it has to be true by itself and compares the tenant's column. */
export function boundsOf(plan: PlanNode, columns: TenantColumns, tenantId: string): TenantBounds {
  const nodes = nodesOf(plan);
  const groups = new Groups();
  const aliases = new Map<string, string>();
  for (const node of nodes) {
    const { Alias: alias, 'Relation Name': table, Schema: schema } = node;
    if (alias !== undefined && table !== undefined && schema === 'public' && columns.has(table) && node['Node Type'] !== 'ModifyTable') aliases.set(alias, table);
  }
  const valueOf = (expression: string): string | undefined => {
    const text = bare(expression);
    const tenant = TENANT.exec(text)?.[1];
    if (tenant !== undefined) return tenant;
    const [, alias, column] = COLUMN.exec(text.replaceAll('"', '')) ?? [];
    if (alias === undefined || column === undefined) return undefined;
    return column === (columns.get(aliases.get(alias) ?? '') ?? 'tenant_id') ? alias : undefined;
  };
  const equate = (conjunct: string): void => {
    const [left, right, ...more] = bare(conjunct).split(' = ');
    if (left === undefined || right === undefined || more.length > 0) return;
    const [one, other] = [valueOf(left), ONE_TENANT.exec(right)?.[1] ?? valueOf(right)];
    if (one !== undefined && other !== undefined) groups.join(one, other);
  };
  for (const node of nodes) {
    for (const name of CONDITIONS) if (typeof node[name] === 'string') for (const conjunct of conjunctsOf(node[name])) equate(conjunct);
    const inner = producerOf(node, nodes);
    const given = (inner?.Output ?? []).map(valueOf).filter((value) => value !== undefined);
    // What a part of the statement hands on under the name of the tenant's column is that column when it has only one.
    if (node.Alias !== undefined && new Set(given).size === 1) groups.join(node.Alias, given[0]!);
  }
  const open = [...aliases].filter(([alias]) => groups.of(alias) !== groups.of(tenantId));
  return { unbound: open.map(([alias, table]) => (alias === table ? table : `${table} ${alias}`)), groups: new Set([...aliases.keys()].map((alias) => groups.of(alias))).size };
}

/** The part of the plan whose rows a scan of a CTE or of a subquery reads. */
function producerOf(node: PlanNode, nodes: readonly PlanNode[]): PlanNode | undefined {
  if (node['Node Type'] === 'CTE Scan') return nodes.find((other) => other['Subplan Name'] === `CTE ${node['CTE Name']}`);
  return node['Node Type'] === 'Subquery Scan' ? node.Plans?.[0] : undefined;
}
