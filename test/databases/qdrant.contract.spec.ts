import { QdrantStore } from '../../src/databases/vector-stores/qdrant.store.js';
import { DISTANCES } from '../../src/databases/vector-stores/vector-store.js';
import { Outbound } from '../../src/outbound/outbound.js';
import { QdrantStub, describeWithQdrantApi } from '../support/qdrant-stub.js';
import { vectorStoreContract } from './vector-store-contract.js';

const capacities = { keyword: true, maxDimensions: 65_536, distances: DISTANCES };
const outbound = new Outbound({ allow: ['127.0.0.1'] });

describeWithQdrantApi('against a model of Qdrant, which shows the shape of the requests and not the ranking of a server:', () => {
  let stub: QdrantStub;
  beforeAll(async () => (stub = await QdrantStub.start()));
  afterAll(() => stub.stop());
  vectorStoreContract('QdrantStore', capacities, () => QdrantStore.open({ url: stub.url, outbound }));
});
afterAll(() => outbound.close());
