import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Config } from './config.js';
import { readEnv } from './env.js';

describe('the configuration', () => {
  it('refuses files that are larger than S3 takes in one request, and only with S3', async () => {
    const DATA_DIR = await mkdtemp(path.join(tmpdir(), 'morag-config-'));
    const configured = (env: Record<string, string>) => () => new Config(readEnv({ DATA_DIR, ...env }));
    expect(configured({ BLOB_STORE: 's3://files', MAX_UPLOAD_MB: '5121' })).toThrow('MAX_UPLOAD_MB must be at most 5120');
    expect(configured({ BLOB_STORE: 's3://files', MAX_UPLOAD_MB: '5120' })).not.toThrow();
    expect(configured({ MAX_UPLOAD_MB: '5121' })).not.toThrow();
    await rm(DATA_DIR, { recursive: true });
  });
});
