// Package sts is the token service: who am I, and sessions of roles and users.
//
// # Words
//
// A session is a role for somebody who may assume it, or a user who may have shown a second
// factor, for a limited time. Its credentials are an access key (ASIA...), a secret and a token. The token is the session: sealed, so that its
// holder neither reads nor changes it, and nothing of it is stored. What a session may do is
// looked up at each call, so a change to a role's policies acts at once, and a
// session ends with its role or user.
//
// # Invariants
//
//   - A token opens only together with the access key it was made for.
//   - Nobody gets a session of a role whose trust policy does not name him, whatever his
//     own policies say.
//   - A session of a session lasts an hour at most.
//   - Session policies only ever take away.
//
// # Format of a token
//
//	token   = base64url( version || salt || nonce || ciphertext || tag )
//	version   1 byte: 1
//	salt      16 random bytes
//	nonce     12 random bytes
//	tag       16 bytes
//	key     = HKDF-SHA-256(secret, salt, "sts session token" || version)
//	ciphertext, tag = AES-256-GCM(key, nonce, JSON of claims, associated data)
//	associated data = version || access key id
//
// The secret is the root key's, derived for "sts session tokens". Because every token has a
// key of its own, no number of tokens wears a key out. Another version can have another secret
// while those of the first live on.
//
// # Files
//
//	service.go     Open, and what is asked of iam
//	token.go       tokens: sealed and opened
//	session.go     the sessions in memory, and what the gateway asks of them
//	api_role.go    AssumeRole
//	api_self.go    GetCallerIdentity, GetSessionToken, GetAccessKeyInfo
//	target.go      what each operation must be allowed
package sts
