// Encrypts and decrypts with the AWS Encryption SDK: node encryption_sdk.mjs <key ARN> <other key ARN>
import { buildClient, CommitmentPolicy, KmsKeyringNode } from '@aws-crypto/client-node'
import assert from 'node:assert/strict'

const [generatorKeyId, other] = process.argv.slice(2)
const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const plaintext = Buffer.from('attack at dawn '.repeat(1000))
const context = { purpose: 'compat', tenant: '7' }

const { result } = await encrypt(new KmsKeyringNode({ generatorKeyId, keyIds: [other] }), plaintext, { encryptionContext: context })
assert(!result.includes('attack'))

// The message opens with either key alone.
for (const key of [generatorKeyId, other]) {
  const opened = await decrypt(new KmsKeyringNode({ keyIds: [key] }), result)
  assert.deepEqual(opened.plaintext, plaintext)
  for (const [k, v] of Object.entries(context)) assert.equal(opened.messageHeader.encryptionContext[k], v)
  assert('aws-crypto-public-key' in opened.messageHeader.encryptionContext)
}

// A message with another context in its header does not: KMS refuses the data key.
const changed = Buffer.from(result)
changed[changed.indexOf('compat')] ^= 1
await assert.rejects(decrypt(new KmsKeyringNode({ keyIds: [generatorKeyId] }), changed))
console.log('round trip done')
