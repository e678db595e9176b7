import { ChromaStore } from '../../src/databases/vector-stores/chroma.store.js';
import { DISTANCES } from '../../src/databases/vector-stores/vector-store.js';
import { Outbound } from '../../src/outbound/outbound.js';
import { vectorStoreContract } from './vector-store-contract.js';

const outbound = new Outbound({ allow: ['127.0.0.1', 'localhost'] });
vectorStoreContract('ChromaStore', { keyword: false, maxDimensions: 16_000, distances: DISTANCES }, () => ChromaStore.open({ url: process.env['CHROMA_URL']!, outbound }));
