import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const VOCABULARY = { '[PAD]': 0, '[UNK]': 1, red: 2, green: 3, blue: 4 };
/** A row a word. */
const VECTORS = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 3, 4], [0, 0, 0, 5]];
const DIMENSIONS = 4;

// As much of Protocol Buffers as it takes: varints, and fields that begin with their length.
function varint(value: number): Buffer {
  return value < 0x80 ? Buffer.of(value) : Buffer.concat([Buffer.of((value % 0x80) | 0x80), varint(Math.floor(value / 0x80))]);
}
const number = (field: number, value: number): Buffer => Buffer.concat([varint(field * 8), varint(value)]);
const bytes = (field: number, ...parts: (Buffer | string)[]): Buffer => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
};

/** `ValueInfoProto` of a tensor; a name stands for any length. */
function tensorInfo(name: string, type: number, shape: (number | string)[]): Buffer {
  const dims = shape.map((dim) => bytes(1, typeof dim === 'number' ? number(1, dim) : bytes(2, dim)));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, number(1, type), bytes(2, ...dims)))]);
}

/** `ModelProto`: the last hidden state of a word is its row in a table. */
function model(): Buffer {
  const [float, int64] = [1, 7];
  const rows = Buffer.from(Float32Array.from(VECTORS.flat()).buffer);
  const table = bytes(5, number(1, VECTORS.length), number(1, DIMENSIONS), number(2, float), bytes(8, 'table'), bytes(9, rows));
  const gather = bytes(1, bytes(1, 'table'), bytes(1, 'input_ids'), bytes(2, 'last_hidden_state'), bytes(4, 'Gather'));
  const inputs = ['input_ids', 'attention_mask'].map((name) => bytes(11, tensorInfo(name, int64, ['batch', 'sequence'])));
  const output = bytes(12, tensorInfo('last_hidden_state', float, ['batch', 'sequence', DIMENSIONS]));
  const graph = bytes(7, gather, bytes(2, 'tiny'), table, ...inputs, output);
  return Buffer.concat([number(1, 8), graph, bytes(8, bytes(1, ''), number(2, 13))]);
}

/** Writes a model of four dimensions that knows three words and reads six of them. */
export async function writeTinyModel(folder: string): Promise<void> {
  await mkdir(path.join(folder, 'onnx'), { recursive: true });
  const padding = { id: 0, content: '[PAD]', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const files = {
    'config.json': { model_type: 'bert', hidden_size: DIMENSIONS },
    'tokenizer.json': {
      version: '1.0', truncation: null, padding: null, added_tokens: [padding], normalizer: { type: 'Lowercase' }, pre_tokenizer: { type: 'Whitespace' }, post_processor: null, decoder: null,
      model: { type: 'WordLevel', vocab: VOCABULARY, unk_token: '[UNK]' },
    },
    'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizerFast', model_max_length: 6, pad_token: '[PAD]', unk_token: '[UNK]' },
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), JSON.stringify(content));
  await writeFile(path.join(folder, 'onnx', 'model.onnx'), model());
}
