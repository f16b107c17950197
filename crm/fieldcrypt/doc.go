// Package fieldcrypt encrypts the values of protected fields with Google's Tink: it is a
// [crm.Cipher] over two sets of keys, one that seals values and one that makes the blinds
// by which equal values are found.
//
//	keys, err := fieldcrypt.Unwrap(file, kms) // what Wrap returned when the keys were made
//	cipher, err := fieldcrypt.New(keys)
//	app, err := embedcrm.New(store, crm.Config{Cipher: cipher})
//
// Values are sealed by XChaCha20-Poly1305, bound to tenant, kind, field and record.
// Blinds are HMAC-SHA256, cut to 128 bits, over tenant, kind, field and value. The guide
// is docs/protection.md.
package fieldcrypt
