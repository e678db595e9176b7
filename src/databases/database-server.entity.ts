import { Column, Entity, PrimaryColumn } from 'typeorm';

export const SERVER_TYPES = ['EMBEDDED'] as const;
export type ServerType = (typeof SERVER_TYPES)[number];

/** A vector database server that a tenant may put collections on. */
@Entity('database_servers')
export class DatabaseServerEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text' })
  type: ServerType;
}
