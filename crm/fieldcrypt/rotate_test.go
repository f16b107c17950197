package fieldcrypt_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/fieldcrypt"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// step is a step of a rotation.
func step(tb testing.TB, next func() (fieldcrypt.Keys, error)) fieldcrypt.Keys {
	tb.Helper()
	keys, err := next()
	require.NoError(tb, err)
	return keys
}

// finds is how many living people a condition finds.
func (c *clinic) finds(tb testing.TB, where string) int64 {
	tb.Helper()
	n, err := c.people.Count(system(tb), crm.Where(where))
	require.NoError(tb, err)
	return n
}

func TestRotation(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		keys := newKeys(t)
		c := newClinic(t, e, keys)
		c.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true, Unique: true})
		c.field(t, ctx, crm.CustomField{Name: "iban", Type: crm.FieldText, Protected: true, Indexed: true})
		gone := c.field(t, ctx, crm.CustomField{Name: "gone", Type: crm.FieldLongText, Protected: true})
		ada := c.create(t, ctx, person{Name: "Ada", Number: "4711", Diagnosis: "cold", Record: crm.Record{Custom: crm.Custom{"tax_no": "T-1", "iban": "I-1", "gone": "old"}}})
		bob := c.create(t, ctx, person{Name: "Bob", Number: "4712", Record: crm.Record{Custom: crm.Custom{"tax_no": "T-2"}}})
		c.create(t, ctx, person{Name: "Carl"})
		require.NoError(t, c.people.Delete(ctx, bob.ID))
		require.NoError(t, c.Fields.Delete(ctx, gone.ID))
		head, err := c.SealHistory(system(t))
		require.NoError(t, err)

		all := func(c *clinic, others int64) { // with Carl, and with Bob when he lives
			t.Helper()
			require.Equal(t, int64(1), c.finds(t, "number == '4711'"))
			require.Equal(t, others, c.finds(t, "number != '4711'"))
			require.Equal(t, others, c.finds(t, "custom.tax_no in ['T-1', 'T-2']"))
			require.Equal(t, int64(1), c.finds(t, "custom.iban == 'I-1' and diagnosis == 'cold'"))
			got, err := c.people.Get(ctx, ada.ID)
			require.NoError(t, err)
			require.Equal(t, "4711", got.Number)
			require.Equal(t, "T-1", got.Custom["tax_no"])
			history, err := c.people.History(ctx, ada.ID)
			require.NoError(t, err)
			require.NotEmpty(t, history.Items)
			report, err := c.VerifyHistory(system(t), head)
			require.NoError(t, err)
			require.Nil(t, report.Broken)
			for _, p := range []person{
				{Number: "4711"}, {Record: crm.Record{Custom: crm.Custom{"tax_no": "t-1"}}},
			} {
				p.Name = "Twin"
				_, err := c.people.Create(ctx, p)
				conflict, ok := errors.AsType[*crm.ConflictError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, ada.ID, conflict.Holder)
			}
			c.whole(t)
		}
		keys = step(t, keys.Add)
		c = newClinic(t, e, keys)
		all(c, 1)
		keys = step(t, keys.Promote)
		c = newClinic(t, e, keys)
		dora := c.create(t, ctx, person{Name: "Carla", Number: "4712", Record: crm.Record{Custom: crm.Custom{"tax_no": "T-3"}}})
		_, err = c.people.Restore(ctx, bob.ID)
		require.ErrorIs(t, err, crm.ErrConflict, "the other one is under another key")
		require.NoError(t, c.people.Purge(ctx, dora.ID))
		all(c, 1)
		// A change under the new key leaves what it does not touch under the old one.
		_, err = c.people.Update(ctx, ada.ID, func(p *person) error { p.Name = "Ada B"; p.Custom["iban"] = "I-1"; return nil })
		require.NoError(t, err)
		ada, err = c.people.Get(ctx, ada.ID)
		require.NoError(t, err)

		_, err = c.Reseal(ctx)
		require.ErrorIs(t, err, crm.ErrForbidden)
		n, err := c.Reseal(system(t))
		require.NoError(t, err)
		require.Equal(t, int64(2), n, "Ada and Bob, who is deleted")
		all(c, 1)
		n, err = c.Reseal(system(t))
		require.NoError(t, err)
		require.Zero(t, n)
		same, err := c.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, ada, same, "sealing anew is no change")

		keys = step(t, keys.DropBlinds)
		c = newClinic(t, e, keys)
		all(c, 1)
		_, err = c.people.Restore(ctx, bob.ID)
		require.NoError(t, err)
		require.Equal(t, int64(1), c.finds(t, "number == '4712'"))
		_, err = c.Fields.Restore(ctx, gone.ID)
		require.NoError(t, err)
		require.Equal(t, int64(1), c.finds(t, "custom.gone == 'old'"))

		// As a job, for whoever works in the background.
		keys = step(t, step(t, keys.Add).Promote)
		c = newClinic(t, e, keys)
		_, err = c.Jobs.Enqueue(system(t), crm.Job{Kind: crm.JobReseal, Key: "keys"})
		require.NoError(t, err)
		require.NoError(t, c.RunDue(t.Context()))
		c = newClinic(t, e, step(t, keys.DropBlinds))
		all(c, 2)
	})
}

// While keys are being replaced, two processes that keep blinds under different ones
// still let a unique value be there once.
func TestUniqueWhileRotating(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		before := step(t, newKeys(t).Add)
		cores := []*clinic{newClinic(t, e, before), newClinic(t, e, step(t, before.Promote))}
		ctx := system(t)
		cores[0].field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true, Unique: true})
		const numbers, writers = 10, 8
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := map[string]int{}
		for w := range writers {
			wg.Go(func() {
				for n := range numbers {
					p := person{Name: "Twin", Number: fmt.Sprintf("N-%d", n)}
					if n%2 == 1 {
						p = person{Name: "Twin", Record: crm.Record{Custom: crm.Custom{"tax_no": fmt.Sprintf("T-%d", n)}}}
					}
					_, err := cores[w%2].people.Create(ctx, p)
					if err == nil {
						mu.Lock()
						made[strconv.Itoa(n)]++
						mu.Unlock()
					} else if !errors.Is(err, crm.ErrConflict) && !errors.Is(err, crm.ErrRetry) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for n := range numbers {
			require.Equal(t, 1, made[strconv.Itoa(n)], n)
		}
	})
}

// Writers go on while values are sealed anew, and none of their values is lost.
func TestResealBesideWriters(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		keys := newKeys(t)
		c := newClinic(t, e, keys)
		ctx := system(t)
		people := make([]person, 300)
		for i := range people {
			people[i] = person{Name: "P", Number: fmt.Sprintf("N-%d", i), Diagnosis: "0"}
		}
		people, err := c.people.CreateAll(ctx, people)
		require.NoError(t, err)
		c = newClinic(t, e, step(t, step(t, keys.Add).Promote))
		var wg sync.WaitGroup
		const rounds = 15
		for w := range 4 {
			wg.Go(func() {
				for i := range rounds {
					_, err := c.people.Update(ctx, people[w*70].ID, func(p *person) error {
						p.Diagnosis = strconv.Itoa(i + 1)
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		_, err = c.Reseal(ctx)
		require.NoError(t, err)
		wg.Wait()
		require.Equal(t, int64(4), c.finds(t, fmt.Sprintf("diagnosis == '%d'", rounds)))
		require.Equal(t, int64(296), c.finds(t, "diagnosis == '0'"))
		n, err := c.Reseal(ctx)
		require.NoError(t, err)
		require.Zero(t, n, "writers sealed by the new keys")
		c.whole(t)
	})
}

// local stands for a key management system that two processes use.
func local(tb testing.TB) *keyset.Handle {
	tb.Helper()
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	require.NoError(tb, err)
	return h
}

// noKMS wraps nothing: the keys go to another process of the test alone.
type noKMS struct{}

func (noKMS) Encrypt(plain, _ []byte) ([]byte, error)  { return plain, nil }
func (noKMS) Decrypt(sealed, _ []byte) ([]byte, error) { return sealed, nil }

// TestResealVictim is no test but the process that TestResealKilled kills.
func TestResealVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	wrapped, err := base64.StdEncoding.DecodeString(words[0])
	require.NoError(t, err)
	keys, err := fieldcrypt.Unwrap(wrapped, noKMS{})
	require.NoError(t, err)
	c := newClinic(t, db.Pool(t), keys)
	_, err = c.Reseal(system(t))
	require.NoError(t, err)
}

func TestResealKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		e := db.Pool(t)
		keys := newKeys(t)
		c := newClinic(t, e, keys)
		ctx := system(t)
		c.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true, Unique: true})
		people := make([]person, 1200)
		for i := range people {
			people[i] = person{Name: "P", Number: fmt.Sprintf("N-%d", i), Record: crm.Record{Custom: crm.Custom{"tax_no": fmt.Sprintf("T-%d", i)}}}
		}
		_, err := c.people.CreateAll(ctx, people)
		require.NoError(t, err)
		var blind string // of the first key
		prefix := map[string]string{"sqlite": "crm_", "postgres": "crm."}[db.Name]
		require.NoError(t, e.DB.QueryRowContext(ctx, "SELECT min(number_blind) FROM "+prefix+"person").Scan(&blind))
		old := func() (n int) {
			err := e.DB.QueryRowContext(ctx, "SELECT count(*) FROM "+prefix+"person WHERE number_blind LIKE '"+strings.ReplaceAll(blind[:5], "_", "\\_")+"%' ESCAPE '\\'").Scan(&n)
			require.NoError(t, err)
			return n
		}
		require.Equal(t, len(people), old())
		keys = step(t, step(t, keys.Add).Promote)
		wrapped, err := keys.Wrap(noKMS{})
		require.NoError(t, err)
		for n := range 3 {
			v := db.Start(t, "TestResealVictim", base64.StdEncoding.EncodeToString(wrapped))
			v.KillWhen(func() bool { return len(people)-old() > 200*n })
		}
		c = newClinic(t, e, keys)
		n, err := c.Reseal(ctx)
		require.NoError(t, err)
		require.Less(t, n, int64(len(people)), "it goes on where it was killed")
		c = newClinic(t, e, step(t, keys.DropBlinds))
		require.Equal(t, int64(3), c.finds(t, "number in ['N-0', 'N-600', 'N-1199']"))
		require.Equal(t, int64(3), c.finds(t, "custom.tax_no in ['T-0', 'T-600', 'T-1199']"))
		require.Zero(t, old())
		c.whole(t)
	})
}

func TestKeysAreWrapped(t *testing.T) {
	t.Parallel()
	kms, err := aead.New(local(t))
	require.NoError(t, err)
	other, err := aead.New(local(t))
	require.NoError(t, err)
	keys := newKeys(t)
	text, err := keys.Wrap(kms)
	require.NoError(t, err)
	again, err := fieldcrypt.Unwrap(text, kms)
	require.NoError(t, err)
	a, err := fieldcrypt.New(keys)
	require.NoError(t, err)
	b, err := fieldcrypt.New(again)
	require.NoError(t, err)
	at := crm.Place{Tenant: "acme", Kind: "person", Field: "number", Record: crm.ID{1}}
	sealed, err := a.Seal(t.Context(), at, []byte("4711"))
	require.NoError(t, err)
	value, err := b.Open(t.Context(), at, sealed)
	require.NoError(t, err)
	require.Equal(t, "4711", string(value))
	twice, err := a.Seal(t.Context(), at, []byte("4711"))
	require.NoError(t, err)
	require.NotEqual(t, sealed, twice, "equal values are not told by ciphertext")

	_, err = fieldcrypt.Unwrap(text, other)
	require.ErrorContains(t, err, "do not unwrap")
	_, err = fieldcrypt.Unwrap([]byte("x"), kms)
	require.ErrorContains(t, err, "not what Wrap wrote")
	swapped := bytes.ReplaceAll(bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("values"), []byte("@")), []byte("blinds"), []byte("values")), []byte("@"), []byte("blinds"))
	_, err = fieldcrypt.Unwrap(swapped, kms)
	require.ErrorContains(t, err, "do not unwrap")
}

func TestKeysThatDoNotFit(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	_, err := fieldcrypt.New(fieldcrypt.Keys{})
	require.ErrorContains(t, err, "missing")
	_, err = fieldcrypt.Keys{}.Add()
	require.ErrorContains(t, err, "missing")
	_, err = fieldcrypt.New(fieldcrypt.Keys{Values: keys.Blinds, Blinds: keys.Blinds})
	require.ErrorContains(t, err, "keys of values")
	_, err = fieldcrypt.New(fieldcrypt.Keys{Values: keys.Values, Blinds: keys.Values})
	require.ErrorContains(t, err, "keys of blinds")

	c, err := fieldcrypt.New(keys)
	require.NoError(t, err)
	at := crm.Place{Tenant: "acme", Kind: "person", Field: "number"}
	sealed, err := c.Seal(t.Context(), at, []byte("4711"))
	require.NoError(t, err)
	for i := range sealed { // altered anywhere
		sealed[i] ^= 1
		_, err := c.Open(t.Context(), at, sealed)
		require.Error(t, err, i)
		sealed[i] ^= 1
	}
	for i := range sealed { // cut anywhere
		_, err := c.Open(t.Context(), at, sealed[:i])
		require.Error(t, err, i)
	}
	require.True(t, c.Current(sealed))
	next, err := fieldcrypt.New(step(t, step(t, keys.Add).Promote))
	require.NoError(t, err)
	require.False(t, next.Current(sealed))
	require.False(t, next.Current(nil))
	blinds, err := next.Blind(t.Context(), at, []byte("4711"))
	require.NoError(t, err)
	before, err := c.Blind(t.Context(), at, []byte("4711"))
	require.NoError(t, err)
	require.Len(t, blinds, 2)
	require.Equal(t, before[0], blinds[1])
}
