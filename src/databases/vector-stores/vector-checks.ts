import { InvalidCollectionName, InvalidPoints, VectorDimensionMismatch } from './vector-store.errors.js';
import type { VectorPoint, VersionRange, VersionScope } from './vector-store.js';

/** @throws InvalidCollectionName */
export function checkCollectionName(name: string): void {
  if (!/^[a-z0-9_-]{1,255}$/.test(name)) throw new InvalidCollectionName();
}

/** @throws InvalidCollectionName, also for none, with which every name begins */
export function checkCollectionPrefix(prefix: string): void {
  if (!/^[a-z0-9_-]{1,100}$/.test(prefix)) throw new InvalidCollectionName();
}

/**
 * What every adapter checks before a write.
 * @throws InvalidPoints for another tenant, document or version, a repeated id, a number that is not finite;
 * VectorDimensionMismatch
 */
export function checkPoints(scope: VersionScope, points: readonly VectorPoint[], dimensions: number): void {
  const ids = new Set<string>();
  for (const point of points) {
    if (point.tenantId !== scope.tenantId || point.documentId !== scope.documentId || point.version !== scope.version) {
      throw new InvalidPoints('A point belongs to another tenant, document or version than the one that is replaced.');
    }
    if (ids.has(point.id)) throw new InvalidPoints(`The point ${point.id} occurs twice.`);
    ids.add(point.id);
    checkVector(point.vector, dimensions);
  }
}

/** @throws VectorDimensionMismatch; InvalidPoints for a number that is not finite */
export function checkVector(vector: Float32Array, dimensions: number): void {
  if (vector.length !== dimensions) throw new VectorDimensionMismatch(dimensions, vector.length);
  if (!vector.every(Number.isFinite)) throw new InvalidPoints('A vector holds a number that is not finite.');
}

/** @throws TypeError for a version that is no whole number, before it can widen what is deleted */
export function checkVersions({ upTo = 0, except = [] }: VersionRange): void {
  if (![upTo, ...except].every(Number.isSafeInteger)) throw new TypeError('a version is a whole number');
}
