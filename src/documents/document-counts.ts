import type { QuotaCount } from '../tenancy/quota-counts.js';

/** What documents are charged, read from their rows: `DocumentCharges` keeps the counters at that. */
export const DOCUMENT_COUNTS: QuotaCount = {
  resources: ['documents', 'storage_mb', 'vector_points'],
  sql: `SELECT d.tenant_id, c.resource, c.used, c.reserved
    FROM (SELECT tenant_id, count(*) FILTER (WHERE is_charged) AS documents, COALESCE(sum(size_bytes + next_bytes) FILTER (WHERE is_charged), 0)::bigint AS bytes,
                 COALESCE(sum(chunk_count) FILTER (WHERE is_charged), 0) AS points, sum(reserved_points) AS reserved
            FROM documents WHERE tenant_id = ANY ($1) GROUP BY tenant_id) d
    CROSS JOIN LATERAL (VALUES ('documents', d.documents, 0::bigint), ('storage_mb', d.bytes, 0), ('vector_points', d.points, d.reserved)) AS c (resource, used, reserved)`,
};
