import { CommonPassword } from './auth.errors.js';
import { refuseCommonPassword } from './common-passwords.js';

describe('the commonest passwords', () => {
  it.each(['password', 'Password', '12345678', 'QWERTYUIOP', 'iloveyou', 'trustno1'])('refuses %s', async (password) => {
    await expect(refuseCommonPassword(password, 'password')).rejects.toBeInstanceOf(CommonPassword);
  });

  it.each(['correct-horse-battery', 'pa55-and-some-more', ' password', '密码密码密码密码'])('takes %s', async (password) => {
    await expect(refuseCommonPassword(password, 'password')).resolves.toBeUndefined();
  });
});
