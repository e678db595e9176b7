import 'reflect-metadata';
import { ArrayUnique, IsArray, IsString } from 'class-validator';
import { ValidationFailed } from './request-errors.js';
import { validationPipe } from './validation.js';

class Listed {
  @IsArray()
  @ArrayUnique()
  @IsString({ each: true })
  items: string[];
}

const check = (value: unknown): unknown => validationPipe.transform(value, { type: 'body', metatype: Listed });
const refusal = async (value: unknown): Promise<Error & { members?: { errors: unknown[] } }> => {
  try {
    await check(value);
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was accepted');
};

describe('a body', () => {
  it('with a list as long as a body may be is refused before its items are compared with each other', async () => {
    const begun = performance.now();
    const error = await refusal({ items: Array.from({ length: 200_000 }, (_, index) => `item ${index}`) });
    expect(error).toBeInstanceOf(ValidationFailed);
    expect(error.message).toBe('Check these fields: items.');
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it('with as many fields as a body may have is refused in a few words', async () => {
    const error = await refusal(Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`field ${index}`, 1])));
    expect(error.message).toBe('There are more than 100 fields.');
  });

  it('is told no more of what is wrong than anybody reads', () => {
    const error = new ValidationFailed(Array.from({ length: 5_000 }, (_, index) => ({ field: `items.${index}`, message: 'wrong' })));
    expect(error.members['errors']).toHaveLength(100);
  });

  it('with a list of a thousand is read', async () => {
    const items = Array.from({ length: 1000 }, (_, index) => `item ${index}`);
    expect(await check({ items })).toEqual({ items });
  });
});
