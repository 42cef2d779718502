// Package kms is the key service: keys that never leave, policies and grants that say who
// may use them, and the road by which everything else in the house gets its data keys.
//
// # Words
//
// A key is a KMS key: an id, a policy, a state, and one or more versions of key material. A
// backing key is one version of the material. An alias is a name that points to a key. A
// grant lets one principal use one key for some operations. An encryption context is a set
// of pairs that are not secret and that a ciphertext is bound to. The domain key of a region
// wraps the backing keys of that region, and lies itself under the house's root key.
//
// There are three classes of keys. Customer managed keys are what CreateKey makes. Service
// managed keys (alias/aws/s3) are made in an account when the service first needs one there;
// their policy is fixed. Service owned keys belong to the house's own account, one for each
// service, customer and region; only that service, acting as itself, can name or use them
// (alias/owned/s3/111122223333), and no customer ever sees them or a record of their use.
//
// # What holds
//
//   - Nobody has any right to a key that its policy does not give or delegate, or that a grant
//     does not give. A grant never overrides a Deny.
//   - The key is found before the caller is authorized, and it is the key that was authorized
//     that is used: a handler takes it from the call's target and looks up no name again.
//   - A key's state, policy, aliases, tags and grants count as they are at the moment of the call.
//     Everything cached goes through store.Memo, which forgets what a commit changes before
//     the commit is acknowledged.
//   - Order of checks, as AWS has it: find the key, authorize, then state, then usage and algorithm,
//     then cryptography, then DryRun.
//   - What a caller may not see does not differ from what is not there: not in text, and as little
//     as can be in time. That goes for keys of other accounts and for ciphertexts.
//   - Material exists in the clear only in memory, and is wiped when its last use is over.
//
// # Decisions
//
// Where AWS does not say, or says two things:
//
//   - A grant alone is enough, also for a grantee of another account.
//   - A policy or grant of somebody who was renamed goes on to hold for him; of somebody who was deleted,
//     it shows his unique id and holds for nobody.
//   - A grant to an account (arn:aws:iam::111122223333:root) is a grant to its root user.
//   - Grants are strictly consistent: a grant works as soon as CreateGrant has answered. Grant tokens
//     are checked and accepted, and needed for nothing but RetireGrant.
//   - The lock-out check asks whether the key policy alone lets the caller call PutKeyPolicy or
//     delegates that to the caller's account; identity-based policies can be mended later.
//   - Decrypt with a KeyId is authorized on that key, and without one on the key that the ciphertext
//     names. A ciphertext of another key is then IncorrectKeyException, wherever that key is.
//   - No key is ever seen Creating or Updating: a replica is whole, and a primary region changed, when
//     that is answered. Only the answer of ReplicateKey says Creating, as AWS's does.
//   - A rotation on demand is over when it is answered, so GetKeyRotationStatus never shows one.
//   - The id of imported material is a MAC of the material under a salt of the key's, so that the same
//     material is known again. All keys of a set share the salt.
//   - A key is replicated only while it is enabled: with imported material, after the first import. Both the
//     primary key and the replica that takes its place must be enabled.
//   - Importing the same material again leaves a disabled key disabled. A key that was disabled when its
//     material went is enabled when the last of it is back, as AWS says.
//   - Uses count when they succeed, a Verify that finds a signature wrong does not, and a dry run does not.
//   - An import token may be used any number of times in its day, so that an import whose answer was lost
//     can be repeated.
//
// # Map
//
//	service.go       Open, the Service, and what it keeps in memory
//	alias.go         the aliases of a key, as they are kept with it
//	names.go         the names of keys and aliases, and the keys of the store's records
//	record.go        the record of a key; changes to it
//	cache.go         records as the hot path needs them
//	domain.go        domain keys and backing keys
//	resolve.go       from what a caller typed to a key
//	owned.go         service owned and service managed keys
//	target.go        for every operation: what must be allowed
//	target_use.go    the same for the use of key pairs and MAC keys
//	conditions.go    the condition keys
//	usage.go         what a key of a type can do, and AWS's words for what it cannot
//	granted.go       which grant allows a call
//	keypolicy.go     default and fixed policies, the lock-out check
//	keytext.go       policies printed as AWS prints them
//	principals.go    whom policies and grants name: unique ids beside names
//	quota.go         how many requests an account may make
//	api_*.go         the operations
//	material.go      what a key's record keeps of its material
//	import.go        material that comes from outside, and goes again
//	multi.go         the set that a multi-Region key belongs to
//	jobs.go          destruction and rotation, later
//	uses.go          when and how a key was used last
//	erase.go         what was destroyed leaves the files of the store
//	keystore.go      custom key stores; what a caller may ask of them is in keystore_input.go
//	connect.go       connecting a custom key store, in the background
//	storekey.go      keys whose other half a custom key store holds
//	external.go      their use through an external key store proxy, and what becomes of its errors
//	cluster.go       their use through a PKCS#11 token that stands for a CloudHSM cluster
//	errors.go        AWS's errors in AWS's words
//
//	key/             cryptography: material, ciphertext, wrapping (pure)
//	grant/           what a grant allows (pure)
//	intake/          cryptography of imports: wrapping keys, import tokens, unwrapping (pure)
//	xks/             the client of external key store proxies
package kms
